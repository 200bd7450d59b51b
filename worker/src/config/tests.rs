//! The configuration as a whole: the shipped file, precedence, and that everything wrong is told at once.

mod places;
mod shipped;

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
fn keys_without_effect_are_told_of() {
    let text = "[queue]\nurl = 'amqps://u@rabbit.example.org'\n[orthanc]\nuser = 'u'\n";
    let warnings = read(text, &Environment::default()).unwrap().warnings;
    let keys: Vec<_> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(keys, ["queue.kind", "orthanc.url"]);
}

#[test]
fn the_site_is_named_as_its_servers_name_it() {
    let text = "[report]\nendpoint = 'Endpoint/wado'\n\
        organization = { name = 'Radiology', reference = 'https://fhir.example.org/r4/Organization/7' }\n";
    let config = read(text, &Environment::default()).unwrap().config;
    let organization = config.site.organization.as_ref().unwrap();
    assert_eq!(
        (organization.name.as_str(), config.site.endpoint.as_deref()),
        ("Radiology", Some("Endpoint/wado"))
    );
    assert_ne!(
        config.fingerprint(),
        "tenant=default;zone=UTC;system=",
        "another site is another version of a report"
    );
    let text = "[report]\nendpoint = 'https://pacs.example.org/dicom-web'\n\
        organization = { name = ' ', reference = 'Practitioner/7', contact = 'nobody' }\n";
    let problems = problems(text, &Environment::default());
    for key in ["endpoint", "organization.name", "organization.reference", "organization.contact"] {
        assert!(
            problems.iter().any(|one| one.starts_with(&format!("`report.{key}`"))),
            "{key}: {problems:?}"
        );
    }
}
