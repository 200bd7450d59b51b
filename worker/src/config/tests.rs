//! The configuration as a whole: the shipped file, precedence, and that everything wrong is told at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::TempDir;
use toml::Table;

use super::raw::RawConfig;
use super::site::{Callers, LedgerConfig, QueueConfig, RecordConfig, SourceConfig, TargetConfig};
use super::*;
use crate::message::Name;

fn read(text: &str, variables: &Environment) -> Result<Loaded, ConfigError> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("chiasm.toml");
    fs::write(&file, text).unwrap();
    Loaded::read(&Flags { file: Some(file), ..Flags::default() }, variables)
}

fn problems(text: &str, variables: &Environment) -> Vec<String> {
    match read(text, variables) {
        Err(ConfigError::Invalid(problems)) => problems.0.iter().map(ToString::to_string).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

/// The shipped file with every example key switched on.
fn uncommented() -> String {
    let is_key = |line: &str| {
        let Some(rest) = line.strip_prefix("# ") else { return false };
        let word: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        rest.starts_with('[') || (!word.is_empty() && rest[word.len()..].starts_with(" = "))
    };
    EXAMPLE
        .lines()
        // where an example stands beside a default, the example counts
        .filter(|line| !line.starts_with("default_targets"))
        .map(|line| if is_key(line) { &line[2..] } else { line })
        .collect::<Vec<_>>()
        .join("\n")
        .replace("pinned_keys = []", &format!("pinned_keys = [\"{}\"]", "0".repeat(64)))
        .replace("calling_aes = []", "calling_aes = [\"PACS\", \"CT1\"]")
        .replace(
            "default_record = \"ehr\"",
            "default_record = \"ehr\"\ndefault_targets = [\"reports\", \"ehr\"]",
        )
}

#[test]
fn the_shipped_file_is_the_default() {
    let shipped: RawConfig = toml::from_str(EXAMPLE).unwrap();
    assert_eq!(shipped, RawConfig::default());
    let loaded = read(EXAMPLE, &Environment::default()).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.fingerprint(), "tenant=default;zone=UTC;system=");
    assert_eq!(Config::load(None, None).unwrap().fingerprint(), "tenant=default;zone=UTC;system=");
}

#[test]
fn the_examples_in_the_shipped_file_load() {
    let folder = TempDir::new().unwrap();
    let place = folder.path().display().to_string();
    for file in
        ["ca.pem", "worker.pem", "worker.key", "fhir-token", "chiasm-postgres", "s3-secret", "pacs-password"]
    {
        let path = folder.path().join(file);
        fs::write(&path, "text\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let text = uncommented()
        .replace("/etc/chiasm", &place)
        .replace("/run/secrets", &place)
        .replace("kind = \"embedded\"", "kind = \"rabbitmq\"")
        .replace("kind = \"sqlite\"", "kind = \"postgres\"");
    let variables = [
        ("CHIASM_RABBITMQ_PASSWORD", "a"),
        ("CHIASM_INTAKE_TOKEN", "0123456789abcdef"),
        ("CHIASM_ORTHANC_PASSWORD", "c"),
    ];
    let loaded = read(&text, &variables.into()).unwrap();
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert!(matches!(&config.queue, QueueConfig::RabbitMq(rabbit) if rabbit.password.is_some()));
    assert!(matches!(&config.ledger, LedgerConfig::Postgres(postgres) if postgres.connections == 8));
    assert_eq!(config.places.default_targets.len(), 2);
    let target = config.places.targets.get(&"ehr".parse::<Name>().unwrap());
    assert!(matches!(target, Some(TargetConfig::Fhir(fhir, _)) if fhir.token.is_some()));
    let record = config.places.records.get(&"server".parse::<Name>().unwrap());
    assert!(
        matches!(record, Some(RecordConfig::Fhir { server, updated_since: Some(_) }) if server.token.is_some())
    );
    let source = |name: &str| &config.places.sources[&name.parse::<Name>().unwrap()];
    assert!(matches!(source("bucket"), SourceConfig::S3(s3) if s3.access_key.is_some() && s3.path_style));
    assert!(matches!(source("pacs"), SourceConfig::Dicomweb(pacs) if pacs.login.is_some()));
    let target = |name: &str| config.places.targets.get(&name.parse::<Name>().unwrap());
    assert!(matches!(target("shelf"), Some(TargetConfig::S3(s3)) if s3.prefix == "chiasm/"));
    assert!(matches!(target("pacs"), Some(TargetConfig::DicomWeb(pacs)) if pacs.login.is_some()));
    assert!(matches!(target("archive"), Some(TargetConfig::Dicom(pacs)) if pacs.called_ae == "PACS"));
    let pipeline = &config.pipelines[&"effusion".parse::<Name>().unwrap()];
    assert_eq!((pipeline.prefer_views.len(), pipeline.description.is_some()), (2, true));
    assert_eq!(config.default_pipeline.as_ref().map(Name::as_str), Some("effusion"));
    assert_eq!((config.models.pinned.len(), config.models.memory_bytes), (1, 4096 << 20));
    assert!(config.models.built_in_signature.is_some());
    let receive = config.receive.unwrap();
    assert_eq!((receive.source.as_str(), receive.max_pdu_bytes), ("archive", 131_072));
    assert_eq!(receive.calling_aes, Callers::These(vec!["PACS".into(), "CT1".into()]));
    assert!(config.orthanc.is_some() && config.http.intake_token.is_some() && config.log.otlp_url.is_some());
}

#[test]
fn the_shipped_file_shows_every_key() {
    let parsed: Table = toml::from_str(&uncommented()).unwrap();
    let shown = &parsed;
    // Kinds have keys of their own: together they show all.
    let all = |table: &str| -> Table {
        let kinds = shown[table].as_table().unwrap().values().filter_map(|kind| kind.as_table());
        kinds.flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let (sources, targets) = (all("sources"), all("targets"));
    let sections = [
        ("", shown),
        ("queue", shown["queue"].as_table().unwrap()),
        ("ledger", shown["ledger"].as_table().unwrap()),
        ("sources.archive", &sources),
        ("records.server", shown["records"]["server"].as_table().unwrap()),
        ("targets.ehr", &targets),
        ("pipelines.effusion", shown["pipelines"]["effusion"].as_table().unwrap()),
        ("models", shown["models"].as_table().unwrap()),
        ("worker", shown["worker"].as_table().unwrap()),
        ("http", shown["http"].as_table().unwrap()),
        ("orthanc", shown["orthanc"].as_table().unwrap()),
        ("receive", shown["receive"].as_table().unwrap()),
        ("log", shown["log"].as_table().unwrap()),
    ];
    for (section, shown) in sections {
        let unknown = if section.is_empty() { "zzz = 1".to_owned() } else { format!("[{section}]\nzzz = 1") };
        let error = RawConfig::deserialize(toml::from_str::<Table>(&unknown).unwrap()).unwrap_err();
        let (_, known) = error.message().split_once("expected ").unwrap();
        let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
        assert!(known.len() > 1, "{known:?}");
        for key in known {
            // A source has either a user or a token: the file tells of the token in words. A server has no path.
            let in_words = [
                ("sources.archive", "token"),
                ("records.server", "path"),
                ("records.server", "smart"),
                ("targets.ehr", "smart"),
            ]
            .contains(&(section, key));
            assert!(shown.contains_key(key) || in_words, "chiasm.toml does not show `{section}.{key}`");
        }
    }
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("chiasm.toml");
    fs::write(&file, "tenant = 'a'\nsite_zone = 'Asia/Tokyo'\nstate = 'here'\n[worker]\ndecoders = 3")
        .unwrap();
    let variables = Environment::from([
        ("CHIASM__SITE_ZONE", "Europe/Paris"),
        ("CHIASM__WORKER__JOBS_AT_ONCE", "7"),
        ("CHIASM__TENANT", "42"),
        ("CHIASM__QUEUE__ALLOW_PLAINTEXT", "true"),
        ("CHIASM_SITE_ZONE", "Europe/Berlin"),
    ]);
    let flags = Flags {
        file: Some(file),
        site_zone: Some("Europe/Berlin".into()),
        state: Some("there".into()),
        language: Some(Language::German),
    };
    let loaded = Loaded::read(&flags, &variables).unwrap();
    assert_eq!(loaded.config.site_zone_name, "Europe/Berlin");
    assert_eq!(loaded.config.tenant, "42");
    assert_eq!(loaded.config.worker.jobs_at_once, 7);
    assert_eq!(loaded.config.worker.decoders, 3);
    assert_eq!(loaded.config.state, Path::new("there"));
    let origin =
        |key: &str| loaded.settings.iter().find(|setting| setting.key == key).unwrap().origin.clone();
    assert_eq!(origin("site_zone"), "environment, CHIASM_SITE_ZONE");
    assert_eq!(origin("state"), "flag, --state");
    assert_eq!(origin("worker.jobs_at_once"), "environment, CHIASM__WORKER__JOBS_AT_ONCE");
    assert_eq!(origin("worker.decoders"), "file");
    assert_eq!(origin("worker.max_batch"), "default");
}

#[test]
fn lists_and_named_tables_can_be_set_by_environment() {
    let file =
        "[sources.Archive]\nkind = 'folder'\npath = 'old'\n[targets.out]\nkind = 'folder'\npath = '/out'\n";
    let variables = Environment::from([
        ("CHIASM__SOURCES__ARCHIVE__PATH", "/new"),
        ("CHIASM__DEFAULT_SOURCE", "Archive"),
        ("CHIASM__DEFAULT_TARGETS", "out"),
    ]);
    let places = read(file, &variables).unwrap().config.places;
    let SourceConfig::Folder { path } = &places.sources[&"Archive".parse::<Name>().unwrap()] else {
        panic!("no folder")
    };
    assert_eq!(path, Path::new("/new"));
    assert_eq!(places.default_targets, ["out".parse::<Name>().unwrap()]);
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("chiasm.toml");
    fs::write(&file, "state = 's'\n[sources.a]\nkind = 'folder'\npath = 'dicom'\n").unwrap();
    let loaded =
        Loaded::read(&Flags { file: Some(file), ..Flags::default() }, &Environment::default()).unwrap();
    assert_eq!(loaded.config.state, folder.path().join("s"));
    let SourceConfig::Folder { path } = &loaded.config.places.sources[&"a".parse::<Name>().unwrap()] else {
        panic!("no folder")
    };
    assert_eq!(path, &folder.path().join("dicom"));
    let nothing = Loaded::read(&Flags::default(), &Environment::default()).unwrap();
    assert_eq!(nothing.config.state, PathBuf::from("chiasm-state"));
}

#[test]
fn all_problems_are_told_at_once_and_none_repeats_a_secret() {
    let text = "site_zone = 'Mars/Olympus'\nzone = 'UTC'\ndefault_source = 'nowhere'\n\
        [queue]\nkind = 'rabbitmq'\nurl = 'amqp://user:hunter2@rabbit.example.org'\npassword = 'hunter2'\n\
        [ledger]\nkind = 'postgres'\nurl = 'postgres://db.example.org/x?password=hunter2'\npassword = { env = 'NOT_SET' }\n\
        [worker]\njobs_at_once = 0\ndecoders = 'two'\nmax_study_mib = 4096\n\
        [sources.'../x']\nkind = 'folder'\npath = '/srv'\n\
        [targets.ehr]\nkind = 'fhir'\nurl = 'http://fhir.example.org'\ntoken = { file = '/does/not/exist' }\n\
        [http]\nlisten = 'everywhere'\n[log]\nformat = 'xml'\n";
    let variables =
        Environment::from([("CHIASM__QUEUE__UR", "amqp://x:hunter2@y"), ("CHIASM__WORKER__GRACE_S", "soon")]);
    let problems = problems(text, &variables);
    let all = problems.join("\n");
    let expected = [
        "`site_zone`: `Mars/Olympus` is no time zone",
        "`zone`: there is no such key",
        "`default_source`: names `nowhere`",
        "`queue.url`: has a password in it",
        "`queue.password`: a secret never stands",
        "`ledger.url`: has a password in it",
        "`ledger.password`: the environment variable NOT_SET is not set",
        "`worker.jobs_at_once`: is 0; it must be 1 to 1000",
        "`worker.decoders`: the value is of type string; expected a whole number",
        "`worker.max_study_mib`: is 4096, more than `memory_mib`",
        "`sources.../x`: a name has",
        "`targets.ehr.url`: leads to another machine without encryption",
        "`targets.ehr.token`: the file `/does/not/exist` cannot be read",
        "`http.listen`: is no address",
        "`log.format`: the value is not known; expected `text` or `json`",
        "`queue.ur` (environment, CHIASM__QUEUE__UR): there is no such key",
        "`worker.grace_s` (environment, CHIASM__WORKER__GRACE_S): the value is of type string",
    ];
    for expected in expected {
        assert!(all.contains(expected), "no `{expected}` in:\n{all}");
    }
    assert_eq!(problems.len(), expected.len(), "{all}");
    assert!(!all.contains("hunter2"), "{all}");
}

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
fn a_file_that_is_no_toml_is_refused_by_line_without_its_text() {
    let Err(error) = read("tenant = 'a'\n[queue]\npassword = hunter2\n", &Environment::default()) else {
        panic!("read");
    };
    assert!(matches!(&error, ConfigError::Syntax { line: 3, .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn secrets_are_read_and_never_shown() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "canary-of-the-file\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let text = format!(
        "[targets.a]\nkind = 'fhir'\nurl = 'https://fhir.example.org/r4/'\ntoken = {{ file = '{}' }}\n\
         [queue]\nkind = 'rabbitmq'\nurl = 'amqp://u@localhost'\npassword = {{ env = 'OLD' }}\n",
        file.display()
    );
    let variables =
        Environment::from([("CHIASM__QUEUE__PASSWORD__ENV", "NEW"), ("NEW", "canary-of-the-variable")]);
    let loaded = read(&text, &variables).unwrap();
    let QueueConfig::RabbitMq(rabbit) = &loaded.config.queue else { panic!("no broker") };
    assert_eq!(rabbit.password.as_ref().unwrap().expose(), "canary-of-the-variable");
    let TargetConfig::Fhir(fhir, _) = &loaded.config.places.targets[&"a".parse::<Name>().unwrap()] else {
        panic!("no FHIR server")
    };
    assert_eq!(fhir.token.as_ref().unwrap().expose(), "canary-of-the-file");
    assert_eq!(fhir.url, "https://fhir.example.org/r4");
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].problem.contains("chmod 640"));
    let shown = format!("{loaded:?} {}", serde_json::to_string(&loaded.settings).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_secret_of_the_environment_takes_the_place_of_the_files() {
    let text =
        "[queue]\nkind = 'rabbitmq'\nurl = 'amqp://u@localhost'\npassword = { file = '/does/not/exist' }\n";
    let variables = Environment::from([("CHIASM__QUEUE__PASSWORD__ENV", "NEW"), ("NEW", "x")]);
    assert!(read(text, &variables).is_ok());
    let both = Environment::from([
        ("CHIASM__QUEUE__PASSWORD__ENV", "NEW"),
        ("CHIASM__QUEUE__PASSWORD__FILE", "/x"),
        ("NEW", "x"),
    ]);
    assert!(problems(text, &both)[0].contains("exactly one of"));
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
fn keys_without_effect_are_told_of() {
    let text = "[queue]\nurl = 'amqps://u@rabbit.example.org'\n[orthanc]\nuser = 'u'\n";
    let warnings = read(text, &Environment::default()).unwrap().warnings;
    let keys: Vec<_> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(keys, ["queue.kind", "orthanc.url"]);
}

#[test]
fn the_deployed_files_have_known_keys_and_values() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    for file in ["compose/chiasm.toml", "systemd/chiasm.toml"] {
        let flags = Flags { file: Some(deploy.join(file)), ..Flags::default() };
        match Loaded::read(&flags, &Environment::default()) {
            Ok(_) => {}
            Err(ConfigError::Invalid(problems)) => {
                for problem in problems.0 {
                    // What only the place itself has: secrets and certificates.
                    let of_the_place =
                        ["cannot be read", "is not set"].iter().any(|text| problem.problem.contains(text));
                    assert!(of_the_place, "{file}: {problem}");
                }
            }
            Err(error) => panic!("{file}: {error}"),
        }
    }
}

#[test]
fn a_receiver_needs_a_folder_callers_and_targets() {
    let told = problems(
        "[sources.web]\nkind = 'dicomweb'\nurl = 'https://pacs.example.org/dicom-web'\n\
         [receive]\nlisten = '0.0.0.0:11112'\nsource = 'web'\nlongest_s = 5\nmax_pdu_kib = 1\n\
         http_listen = '9465'",
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
    ] {
        let is_told = told.iter().any(|problem| problem.contains(key) && problem.contains(part));
        assert!(is_told, "{key}: {part} is not in {told:?}");
    }
    assert_eq!(told.len(), 7, "{told:?}");
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
