//! The documents say what the program does.

use std::collections::BTreeSet;
use std::fs;

use chiasm_tests::workspace;
use dicom_ingest::refusal::RefusalCode;

#[test]
fn every_code_that_the_program_can_give_is_documented() {
    let codes = fs::read_to_string(workspace().join("docs/codes.md")).unwrap();
    for code in RefusalCode::ALL {
        assert!(codes.contains(&format!("`{code}`")), "docs/codes.md lacks {code}");
    }
    for (file, call) in [
        ("worker/src/identity.rs", "=> \""),
        ("worker/src/pipeline/files.rs", "Ending::refused(\""),
        ("worker/src/pipeline/images.rs", "Ending::refused(\""),
        ("worker/src/pipeline/record.rs", "Ending::refused(\""),
        ("models/src/bundle/applies.rs", "no(\""),
        ("worker/src/declaration/rule.rs", "code: \""),
        ("worker/src/risk_models/fault.rs", "=> \""),
    ] {
        let source = fs::read_to_string(workspace().join(file)).unwrap();
        let found: Vec<&str> = source.split(call).skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(!found.is_empty(), "`{file}` moved or changed: adapt this test");
        for code in found.iter().filter(|code| code.chars().all(char::is_alphanumeric)) {
            assert!(codes.contains(&format!("`{code}`")), "docs/codes.md lacks {code} of {file}");
        }
    }
}

#[test]
fn every_code_of_a_refused_message_is_documented() {
    let messages = fs::read_to_string(workspace().join("docs/messages.md")).unwrap();
    let mut found = BTreeSet::new();
    for file in [
        "json.rs",
        "fields.rs",
        "words.rs",
        "envelope.rs",
        "mod.rs",
        "adapters/mod.rs",
        "adapters/monai.rs",
        "adapters/orthanc.rs",
        "../orthanc/hook.rs",
    ] {
        let source = fs::read_to_string(workspace().join("worker/src/message").join(file)).unwrap();
        let program = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for call in ["refusal(", "code: "] {
            let codes = program.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            found.extend(codes.filter_map(|rest| Some(rest.split('"').next()?.to_owned())));
        }
    }
    assert!(found.len() > 15, "the parser changed: adapt this test: {found:?}");
    for code in found {
        assert!(messages.contains(&format!("| `{code}` |")), "docs/messages.md lacks {code}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in ["README.md", "ARCHITECTURE.md", "NOTICES.md"] {
        let text = fs::read_to_string(workspace().join(document)).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let here = target.starts_with("http") || workspace().join(target).exists();
            assert!(here, "{document} links to {target}");
        }
    }
}
