//! The shipped file and the deployed ones: what they say is what is there.

use super::*;

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
    for file in [
        "ca.pem",
        "worker.pem",
        "worker.key",
        "receive.pem",
        "receive.key",
        "fhir-token",
        "chiasm-postgres",
        "s3-secret",
        "pacs-password",
    ] {
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
    let risk = &config.risks[&"kidney".parse::<Name>().unwrap()];
    assert_eq!(
        (risk.folder.is_absolute(), risk.pipelines.as_slice()),
        (true, &["chest-radiograph".to_owned()][..])
    );
    let receive = config.receive.unwrap();
    assert_eq!((receive.source.as_str(), receive.max_pdu_bytes), ("archive", 131_072));
    assert_eq!(receive.count_from.map(|from| from.source.to_string()).as_deref(), Some("pacs"));
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
        ("risks.kidney", shown["risks"]["kidney"].as_table().unwrap()),
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
