-- Tells Chiasm of every stable study, at once. A hint: a post that fails is not repeated, so let Chiasm poll as well
-- (`[orthanc]` in chiasm.toml). Nothing of the patient is sent but the StudyInstanceUID.
--
-- CHIASM_INTAKE_URL    where Chiasm listens; http://127.0.0.1:9464/intake/orthanc when not set
-- CHIASM_INTAKE_TOKEN  the token of `http.intake_token`

local url = os.getenv('CHIASM_INTAKE_URL') or 'http://127.0.0.1:9464/intake/orthanc'
local token = os.getenv('CHIASM_INTAKE_TOKEN') or ''

function OnStableStudy(studyId, tags, metadata)
   local statistics = ParseJson(RestApiGet('/studies/' .. studyId .. '/statistics'))
   local message = {}
   message['orthanc_study'] = studyId
   message['StudyInstanceUID'] = tags['StudyInstanceUID']
   message['instances'] = tonumber(statistics['CountInstances'])
   message['last_update'] = metadata['LastUpdate']
   local headers = { ['Authorization'] = 'Bearer ' .. token, ['Content-Type'] = 'application/json' }
   if HttpPost(url, DumpJson(message), headers) == nil then
      print('Chiasm did not take study ' .. studyId .. '; polling will')
   end
end
