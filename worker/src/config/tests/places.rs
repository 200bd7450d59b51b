//! What is asked of servers, folders and models that the site names.

use super::*;

/// The example that the shipped file gives in words, and what is wrong with others.
#[test]
fn a_fhir_server_has_a_token_or_a_client_of_smart() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("smart-key.pem");
    fs::write(&key, "x").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let shown = EXAMPLE.lines().find_map(|line| line.split_once("smart = ")).unwrap().1;
    let shown = shown.replace("/run/secrets", &folder.path().to_string_lossy());
    let server = |rest: &str| {
        format!("[records.server]\nkind = 'fhir'\nurl = 'https://fhir.example.org/r4'\nsmart = {rest}\n")
    };
    let loaded = read(&server(&shown), &Environment::default()).unwrap();
    let record = loaded.config.places.records.get(&"server".parse::<Name>().unwrap());
    let Some(RecordConfig::Fhir { server: found, .. }) = record else { panic!("{record:?}") };
    let smart = found.smart.as_ref().unwrap();
    assert_eq!((smart.client_id.as_str(), smart.key_id.as_deref()), ("chiasm", Some("2026-1")));
    assert_eq!(smart.key_file, key);
    let plain = format!("{{ client_id = 'a', key_file = '{}' }}", key.display());
    let loaded = read(&server(&plain), &Environment::default()).unwrap();
    let record = loaded.config.places.records.get(&"server".parse::<Name>().unwrap());
    let scopes = matches!(record, Some(RecordConfig::Fhir { server, .. })
        if server.smart.as_ref().unwrap().scopes.contains(&"system/DocumentReference.rs".to_owned()));
    assert!(scopes, "what a record consists of");
    for (rest, said) in [
        ("{ client_id = 'a' }", "`records.server.smart.key_file`: is missing"),
        ("{ key_file = '/does/not/exist' }", "`records.server.smart.client_id`"),
        ("{ client_id = 'a', key_file = 'x', scopes = ['openid'] }", "`openid` is no `system/` scope"),
        ("{ client_id = 'a', key_file = 'x', secret = 'hunter2' }", "`records.server.smart.secret`"),
        ("{ client_id = 'a', key_file = 'x', token_url = 'http://auth.example.org/' }", "smart.token_url"),
    ] {
        let all = problems(&server(rest), &Environment::default()).join("\n");
        assert!(all.contains(said) && !all.contains("hunter2"), "{rest}: {all}");
    }
    let both = format!("{}token = {{ env = 'T' }}\n", server(&plain));
    let all = problems(&both, &Environment::from([("T", "x")])).join("\n");
    assert!(all.contains("`smart` cannot both be sent"), "{all}");
    let target = server(&plain).replace("records.server", "targets.ehr");
    let all = problems(&target, &Environment::default()).join("\n");
    assert!(all.contains("`targets.ehr.smart.scopes`: is missing"), "{all}");
}

#[test]
fn plaintext_leaves_the_machine_only_when_allowed() {
    let queue = |url: &str, more: &str| format!("[queue]\nkind = 'rabbitmq'\nurl = '{url}'\n{more}");
    let ledger = |url: &str, more: &str| format!("[ledger]\nkind = 'postgres'\nurl = '{url}'\n{more}");
    let allow = "allow_plaintext = true";
    let none = Environment::default();
    for refused in [
        queue("amqp://u@rabbit.example.org", ""),
        queue("amqp://u@127.0.0.1.example.org", ""),
        queue("amqp://u@10.0.0.1", ""),
        ledger("postgres://u@db.example.org/x", ""),
        ledger("postgres://u@db.example.org/x?sslmode=prefer", ""),
        "[log]\notlp_url = 'http://collector:4318/v1/traces'".to_owned(),
        "[targets.a]\nkind = 'dicom'\naddress = 'pacs.example.org:104'\ncalled_ae = 'PACS'".to_owned(),
        "[targets.a]\nkind = 'dicomweb'\nurl = 'http://pacs.example.org/dicom-web'".to_owned(),
    ] {
        let problems = problems(&refused, &none);
        assert!(problems[0].contains("allow_plaintext"), "{refused}: {problems:?}");
    }
    for (taken, warnings) in [
        (queue("amqp://u@rabbit.example.org", allow), 1),
        (queue("amqps://u@rabbit.example.org", ""), 0),
        (queue("amqp://u@localhost:5672/x", ""), 0),
        (queue("amqp://u@[::1]", ""), 0),
        (ledger("postgres://u@127.0.0.2/x", ""), 0),
        (ledger("postgres://u@db.example.org/x", allow), 1),
        (ledger("postgres://u@db.example.org/x?sslmode=verify-full", ""), 0),
        (ledger("postgres:///x?host=/run/postgresql", ""), 0),
    ] {
        let loaded = read(&taken, &none).unwrap();
        assert_eq!(loaded.warnings.len(), warnings, "{taken}: {:?}", loaded.warnings);
    }
}

#[test]
fn buckets_and_dicomweb_servers_are_checked() {
    let s3 = |more: &str| format!("[sources.a]\nkind = 's3'\nbucket = 'dicom'\n{more}");
    let pacs = |more: &str| format!("[sources.a]\nkind = 'dicomweb'\n{more}");
    let variables = Environment::from([("SECRET", "hunter2")]);
    let secret = "{ env = 'SECRET' }";
    for (text, expected) in [
        ("[sources.a]\npath = '/srv'".to_owned(), "`sources.a.kind`: is missing"),
        ("[sources.a]\nkind = 's3'".to_owned(), "`sources.a.bucket`: must be"),
        ("[sources.a]\nkind = 's3'\nbucket = 'a/b'".to_owned(), "`sources.a.bucket`: must be"),
        (s3("prefix = 'studies'"), "`sources.a.prefix`: must end with `/`"),
        (s3("prefix = '../'"), "`sources.a.prefix`: must end with `/`"),
        (s3("prefix = '/'"), "`sources.a.prefix`: must end with `/`"),
        (s3("region = 'EU'"), "`sources.a.region`: must be"),
        (s3("url = 'http://s3.example.org'"), "`sources.a.url`: leads to another machine without encryption"),
        (s3("url = 'https://u:hunter2@s3.example.org'"), "`sources.a.url`: has a password in it"),
        (s3("access_key_id = 'a'"), "`sources.a.access_key_id`: access key and secret go together"),
        (s3("secret_access_key = 'hunter2'"), "`sources.a.secret_access_key`: a secret never stands"),
        (pacs(""), "`sources.a.url`: is missing"),
        (
            pacs("url = 'http://pacs.example.org'"),
            "`sources.a.url`: leads to another machine without encryption",
        ),
        (
            pacs("url = 'https://pacs.example.org/dw'\nuser = 'u'"),
            "`sources.a.user`: user and password go together",
        ),
        (
            pacs(&format!(
                "url = 'https://p.example.org'\nuser = 'u'\npassword = {secret}\ntoken = {secret}"
            )),
            "`sources.a.token`: a token and a user",
        ),
        (
            pacs("url = 'https://pacs.example.org'\nclient_key_file = '/does/not/exist'"),
            "`sources.a.client_key_file`: `/does/not/exist` cannot be read",
        ),
        ("[targets.a]\nkind = 's3'\nbucket = 'r'".to_owned(), "`targets.a.bucket`: must be"),
    ] {
        let problems = problems(&text, &variables).join("\n");
        assert!(problems.contains(expected), "no `{expected}` in: {problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
    let text = format!(
        "{}[sources.b]\nkind = 'dicomweb'\nurl = 'http://localhost/dicom-web/'\ntoken = {secret}\n",
        s3(&format!("access_key_id = 'a'\nsecret_access_key = {secret}\n"))
    );
    let loaded = read(&text, &variables).unwrap();
    assert_eq!(loaded.warnings, []);
    let places = &loaded.config.places;
    assert!(places.fetch_from_afar());
    let SourceConfig::S3(s3) = &places.sources[&"a".parse::<Name>().unwrap()] else { panic!("no bucket") };
    assert_eq!((s3.url.as_deref(), s3.region.as_str(), s3.prefix.as_str()), (None, "us-east-1", ""));
    let SourceConfig::Dicomweb(pacs) = &places.sources[&"b".parse::<Name>().unwrap()] else {
        panic!("no PACS")
    };
    assert_eq!((pacs.url.as_str(), pacs.max_instance_bytes), ("http://localhost/dicom-web", 64 << 20));
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn a_pacs_is_named_whole_or_told_of() {
    let dicom = |more: &str| format!("[targets.a]\nkind = 'dicom'\n{more}");
    let web = |more: &str| format!("[targets.a]\nkind = 'dicomweb'\nurl = 'https://a/dicom-web'\n{more}");
    let none = Environment::from([("SECRET", "x")]);
    for (text, key) in [
        (dicom("called_ae = 'PACS'"), "address"),
        (dicom("called_ae = 'PACS'\naddress = '127.0.0.1'"), "address"),
        (dicom("called_ae = 'PACS'\naddress = 'u@127.0.0.1:104'"), "address"),
        (dicom("called_ae = 'PACS'\naddress = '127.0.0.1:104/x'"), "address"),
        (dicom("address = '127.0.0.1:104'"), "called_ae"),
        (dicom("called_ae = 'SEVENTEEN_LETTERS'\naddress = '127.0.0.1:104'"), "called_ae"),
        (dicom("called_ae = 'P'\naddress = '127.0.0.1:104'\ncalling_ae = ' '"), "calling_ae"),
        (web("user = 'u'"), "user"),
        (web("password = { env = 'SECRET' }"), "user"),
        (web("user = 'u'\npassword = { env = 'SECRET' }\ntoken = { env = 'SECRET' }"), "token"),
    ] {
        let problems = problems(&text, &none);
        assert!(
            problems.len() == 1 && problems[0].contains(&format!("targets.a.{key}")),
            "{text}: {problems:?}"
        );
    }
    assert!(read(&dicom("called_ae = 'PACS'\naddress = '[::1]:104'"), &none).is_ok());
}

#[test]
fn a_receiver_needs_a_folder_callers_and_targets() {
    let told = problems(
        "[sources.web]\nkind = 'dicomweb'\nurl = 'https://pacs.example.org/dicom-web'\n\
         [receive]\nlisten = '0.0.0.0:11112'\nsource = 'web'\nlongest_s = 5\nmax_pdu_kib = 1\n\
         http_listen = '9465'\nclient_ca_file = '/nowhere/ca.pem'\ncount_from = 'gone'\ncount_patience_s = 604801",
        &Environment::default(),
    );
    for (key, part) in [
        ("receive.longest_s", "less than `quiet_s`"),
        ("receive.max_pdu_kib", "64 to 16384"),
        ("receive.calling_aes", "is empty"),
        ("receive.listen", "without encryption"),
        ("receive.source", "is no folder"),
        ("receive.source", "default_targets"),
        ("receive.http_listen", "no address and port"),
        ("receive.certificate_file", "go together"),
        ("receive.client_ca_file", "cannot be read"),
        ("receive.count_from", "no valid [sources.gone]"),
        ("receive.count_patience_s", "0 to 604800"),
    ] {
        let is_told = told.iter().any(|problem| problem.contains(key) && problem.contains(part));
        assert!(is_told, "{key}: {part} is not in {told:?}");
    }
    assert_eq!(told.len(), 11, "{told:?}");
}

#[test]
fn only_a_dicomweb_server_states_how_many_instances_a_study_has() {
    let folder = TempDir::new().unwrap();
    let text = |count_from: &str| {
        format!(
            "default_source = 'in'\ndefault_targets = ['out']\n\
             [sources.in]\nkind = 'folder'\npath = '{0}'\n[targets.out]\nkind = 'folder'\npath = '{0}'\n\
             [sources.web]\nkind = 'dicomweb'\nurl = 'https://pacs.example.org/dicom-web'\n\
             [receive]\nlisten = '127.0.0.1:11112'\nsource = 'in'\ncalling_aes = ['PACS']\n{count_from}",
            folder.path().display()
        )
    };
    let none = Environment::default();
    let told = problems(&text("count_from = 'in'"), &none);
    assert!(told.len() == 1 && told[0].contains("receive.count_from"), "{told:?}");
    let receive = read(&text("count_from = 'web'"), &none).unwrap().config.receive.unwrap();
    let from = receive.count_from.unwrap();
    assert_eq!(
        (from.source.as_str(), from.server.url.as_str()),
        ("web", "https://pacs.example.org/dicom-web")
    );
    assert!(read(&text(""), &none).unwrap().config.receive.unwrap().count_from.is_none());
}

#[test]
fn pipelines_and_pinned_keys_are_checked() {
    let found = problems(
        "default_pipeline = 'gone'\n[pipelines.chest-radiograph]\npath = '/srv/a'\n[pipelines.\"a b\"]\npath = '/srv/b'\n\
         [pipelines.empty]\n[models]\npinned_keys = ['hunter2']\nmemory_mib = 0\n",
        &Environment::default(),
    );
    for told in [
        "`default_pipeline`",
        "`pipelines`: `chest-radiograph` is built in",
        "`pipelines.a b`: a name has 1 to 64 letters",
        "`pipelines.empty.path`: is missing",
        "`models.pinned_keys`: a public key has to be 64 hexadecimal digits",
        "`models.memory_mib`: is 0",
    ] {
        assert!(found.iter().any(|problem| problem.starts_with(told)), "{told} in {found:#?}");
    }
    let built_in = read("default_pipeline = 'chest-radiograph'\n", &Environment::default()).unwrap();
    assert!(built_in.config.default_pipeline.is_none() && built_in.warnings.is_empty());
    let pinned = format!("[models]\npinned_keys = ['{}']\n", "0".repeat(64));
    let pinned = read(&pinned, &Environment::default()).unwrap();
    assert!(pinned.warnings[0].problem.contains("chiasm models sign cxr-findings"), "{:?}", pinned.warnings);
}

#[test]
fn risks_name_a_folder_and_pipelines_that_are_there() {
    let text = "[pipelines.effusion]\npath = '/srv/a'\n[risks.own]\npath = 'model'\npipelines = ['effusion', 'chest-radiograph']\n";
    let config = read(text, &Environment::default()).unwrap().config;
    let own = &config.risks[&"own".parse::<Name>().unwrap()];
    assert!(own.folder.is_absolute() && own.folder.ends_with("model"), "{:?}", own.folder);
    let told = problems("[risks.own]\npipelines = ['gone']\n", &Environment::default());
    for (line, expected) in
        told.iter().zip(["`risks.own.pipelines`: names `gone`", "`risks.own.path`: is missing"])
    {
        assert!(line.starts_with(expected), "{line}");
    }
    assert_eq!(told.len(), 2);
}
