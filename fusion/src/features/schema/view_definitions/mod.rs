//! The schema as SQL-on-FHIR v2 ViewDefinitions: which rows of which resources the features are made from.
//!
//! <https://sql-on-fhir.org/ig/2.0.0/StructureDefinition-ViewDefinition.html>. A view selects and flattens; what was
//! known at t0, windows and statistics are the reader's, as `chiasm features` has them.

mod stated;

use serde_json::{Value, json};

use super::{LOINC, Measurement, Schema, Token};

/// Every identifier of a feature, in no order that matters.
pub(super) fn identifiers(schema: &Schema) -> Vec<&str> {
    let mut all: Vec<&str> = schema.all_measurements().map(|one| one.id.as_str()).collect();
    all.extend(schema.ratios.iter().map(|one| one.id.as_str()));
    all.extend(schema.kinetics.iter().map(|one| one.id.as_str()));
    all.extend(schema.diseases.iter().map(|one| one.id.as_str()));
    all.extend(schema.diseases.iter().filter_map(|one| Some(one.years_since.as_ref()?.id.as_str())));
    all.extend(schema.procedures.iter().chain(&schema.examinations).map(|one| one.id.as_str()));
    all.extend(schema.scales.iter().map(|one| one.id.as_str()));
    all.extend(schema.prior_imaging.iter().flat_map(|one| [one.id.as_str(), one.days.id.as_str()]));
    all.extend(schema.families.iter().map(|one| one.id.as_str()));
    all.extend(schema.drugs.iter().map(|one| one.id.as_str()));
    all.extend(schema.notes.iter().filter_map(|one| Some(one.is.as_ref()?.id.as_str())));
    all.extend([schema.charlson.id.as_str(), schema.diagnoses.id.as_str()]);
    all
}

pub(super) fn all(schema: &Schema) -> Vec<(String, Value)> {
    let made = [
        ("patient", patient(schema)),
        ("measurement", measurement(schema)),
        ("condition", condition(schema)),
        ("medication-request", medication_request(schema)),
        ("medication-statement", medication_statement(schema)),
        ("medication", medication(schema)),
        ("family-member-history", family_member_history(schema)),
        ("tobacco", tobacco(schema)),
        ("procedure", stated::procedure(schema)),
        ("examination", stated::examination(schema)),
        ("answer", stated::answer(schema)),
        ("scale", stated::scale(schema)),
        ("nodule", stated::nodule(schema)),
        ("imaging-report", stated::imaging_report(schema)),
        ("document-reference", document_reference(schema)),
        ("diagnostic-report", diagnostic_report(schema)),
    ];
    made.into_iter().map(|(name, view)| (format!("{name}.json"), view)).collect()
}

fn view(
    schema: &Schema,
    name: &str,
    resource: &str,
    description: &str,
    select: &Value,
    filter: &[String],
) -> Value {
    let mut made = json!({
        "resourceType": "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/ViewDefinition",
        "name": format!("{}_v{}_{name}", schema.id.replace('-', "_"), schema.version),
        "status": "active",
        "description": description,
        "resource": resource,
        "fhirVersion": ["4.0.1"],
        "select": select,
    });
    if !filter.is_empty() {
        made["where"] = filter.iter().map(|path| json!({ "path": path })).collect();
    }
    made
}

fn column(name: &str, path: &str, kind: &str) -> Value {
    json!({ "name": name, "path": path, "type": kind })
}

fn patient(schema: &Schema) -> Value {
    let columns = [
        column("id", "getResourceKey()", "string"),
        column("gender", "gender", "code"),
        column("birth_date", "birthDate", "date"),
    ];
    view(schema, "patient", "Patient", "Who the rows are of.", &json!([{ "column": columns }]), &[])
}

fn of_system(system: &str, codes: &[&str]) -> String {
    let listed: Vec<String> = codes.iter().map(|code| format!("code = '{code}'")).collect();
    format!("(system = '{system}' and ({}))", listed.join(" or "))
}

fn measured_codes(schema: &Schema) -> String {
    let all: Vec<&Measurement> = schema.all_measurements().collect();
    let of = |wanted: &str| -> Vec<&str> {
        let pairs = all.iter().flat_map(|one| one.codes.iter().map(super::MeasuredCode::pair));
        pairs.filter(|(system, _)| *system == wanted).map(|(_, code)| code).collect()
    };
    [of_system(LOINC, &of(LOINC)), of_system(super::SNOMED, &of(super::SNOMED))].join(" or ")
}

const USABLE: &str = "status = 'final' or status = 'amended' or status = 'corrected'";

fn measurement(schema: &Schema) -> Value {
    let codes = measured_codes(schema);
    let shared = [
        column("id", "getResourceKey()", "string"),
        column("patient_id", "subject.getReferenceKey(Patient)", "string"),
        column("status", "status", "code"),
        column("issued", "issued", "instant"),
        column("effective", "effective.ofType(dateTime)", "dateTime"),
        column("effective_end", "effective.ofType(Period).end", "dateTime"),
        column("body_site", "bodySite.coding.where(system = 'http://snomed.info/sct').code.first()", "code"),
        column("code_text", "code.text", "string"),
    ];
    let value = |path: &str| -> Value {
        let quantity = |part: &str| format!("{path}value.ofType(Quantity).{part}");
        json!([
            column("value", &quantity("value"), "decimal"),
            column("comparator", &quantity("comparator"), "code"),
            column("unit", &quantity("unit"), "string"),
            column("ucum", &quantity("code"), "code"),
        ])
    };
    let coding = json!({ "forEach": format!("code.coding.where({codes})"), "column": [
        column("system", "system", "uri"), column("code", "code", "code") ] });
    let own = json!({ "column": value(""), "select": [coding.clone()] });
    let part = json!({ "forEach": "component", "column": value(""), "select": [coding] });
    // What has no code is told by its text.
    let text = json!({ "forEach": uncoded(&schema.texts()), "column": [
        column("system", "coding.system.first()", "uri"), column("code", "coding.code.first()", "code") ] });
    let named = json!({ "column": value(""), "select": [text] });
    let select = json!([{ "column": shared }, { "unionAll": [own, part, named] }]);
    view(
        schema,
        "measurement",
        "Observation",
        "Measured values and their parts, one row a code, or one where there is no code and the text names one; a code that \
         is of anything counts where `body_site` says of what. The filter needs FHIRPath's lower().",
        &select,
        &[USABLE.to_owned()],
    )
}

/// Rows of resources of one type that refer to a patient: the columns that all have, those of the type, and one row for each
/// element of a part of it.
fn of_patient(
    schema: &Schema,
    resource: &str,
    name: &str,
    description: &str,
    (columns, part): (&[(&str, &str, &str)], &Value),
    filter: &[String],
) -> Value {
    let subject = if resource == "FamilyMemberHistory" { "patient" } else { "subject" };
    let patient = format!("{subject}.getReferenceKey(Patient)");
    let shared = [("id", "getResourceKey()", "string"), ("patient_id", patient.as_str(), "string")];
    let all = shared.iter().chain(columns).map(|(name, path, kind)| column(name, path, kind));
    let select = json!([{ "column": all.collect::<Vec<_>>() }, part]);
    view(schema, name, resource, description, &select, filter)
}

/// One row for each element of a path.
fn each(how: &str, path: &str, columns: &[(&str, &str, &str)]) -> Value {
    let columns: Vec<Value> = columns.iter().map(|(name, path, kind)| column(name, path, kind)).collect();
    json!({ how: path, "column": columns })
}

const CODING: [(&str, &str, &str); 2] = [("system", "system", "uri"), ("code", "code", "code")];

/// A code without any coding, but with one of these texts.
fn uncoded(texts: &[&str]) -> String {
    let named: Vec<String> = texts.iter().map(|text| format!("text.lower() = '{text}'")).collect();
    format!("code.where(coding.empty() and ({}))", named.join(" or "))
}

fn condition(schema: &Schema) -> Value {
    let columns = [
        ("recorded", "recordedDate", "dateTime"),
        ("onset", "onset.ofType(dateTime)", "dateTime"),
        ("verification", "verificationStatus.coding.code.first()", "code"),
    ];
    let coding = each("forEach", "code.coding", &CODING);
    let entered = "verificationStatus.coding.where(code = 'entered-in-error').empty()".to_owned();
    of_patient(
        schema,
        "Condition",
        "condition",
        "Diagnoses, one row a code.",
        (&columns, &coding),
        &[entered],
    )
}

fn medication_request(schema: &Schema) -> Value {
    let columns = [
        ("status", "status", "code"),
        ("authored", "authoredOn", "dateTime"),
        ("supply_end", "dispenseRequest.validityPeriod.end", "dateTime"),
        ("dosage_end", "dosageInstruction.timing.repeat.bounds.ofType(Period).end.first()", "dateTime"),
        DRUG[0],
        DRUG[1],
    ];
    let coding = drug_codes("medication.ofType(CodeableConcept).coding");
    let planned = "intent.empty() or intent != 'proposal'".to_owned();
    of_patient(
        schema,
        "MedicationRequest",
        "medication_request",
        "Drugs, one row a code.",
        (&columns, &coding),
        &[planned],
    )
}

/// The drug where it is no code: its text, or a resource of its own.
const DRUG: [(&str, &str, &str); 2] = [
    ("text", "medication.ofType(CodeableConcept).text", "string"),
    ("medication_id", "medication.ofType(Reference).getReferenceKey(Medication)", "string"),
];

/// Codes of a drug with their words, a row each.
fn drug_codes(path: &str) -> Value {
    let [system, code] = CODING;
    each("forEachOrNull", path, &[system, code, ("display", "display", "string")])
}

fn medication_statement(schema: &Schema) -> Value {
    let columns = [
        ("status", "status", "code"),
        ("asserted", "dateAsserted", "dateTime"),
        ("effective", "effective.ofType(dateTime)", "dateTime"),
        ("effective_start", "effective.ofType(Period).start", "dateTime"),
        ("effective_end", "effective.ofType(Period).end", "dateTime"),
        DRUG[0],
        DRUG[1],
    ];
    let coding = drug_codes("medication.ofType(CodeableConcept).coding");
    of_patient(
        schema,
        "MedicationStatement",
        "medication_statement",
        "Drugs that are said to be taken, one row a code.",
        (&columns, &coding),
        &[],
    )
}

fn medication(schema: &Schema) -> Value {
    let coding = drug_codes("code.coding");
    let shared = [column("id", "getResourceKey()", "string"), column("text", "code.text", "string")];
    let select = json!([{ "column": shared }, coding]);
    view(schema, "medication", "Medication", "Drugs that requests and statements refer to.", &select, &[])
}

fn family_member_history(schema: &Schema) -> Value {
    let columns = [
        ("status", "status", "code"),
        ("date", "date", "dateTime"),
        ("relationship", "relationship.coding.code.first()", "code"),
    ];
    let coding = each("forEachOrNull", "condition.code.coding", &CODING);
    of_patient(
        schema,
        "FamilyMemberHistory",
        "family_member_history",
        "Diseases of relatives, one row a code.",
        (&columns, &coding),
        &[],
    )
}

fn tobacco(schema: &Schema) -> Value {
    let smoking = &schema.smoking;
    let lists: [&[Token]; 6] = [
        &smoking.status,
        &smoking.pack_years,
        &smoking.cigarettes_per_day,
        &smoking.years_smoked,
        &smoking.time_since_quitting,
        &smoking.quit_date,
    ];
    let codes: Vec<String> = lists
        .iter()
        .flat_map(|list| list.iter())
        .map(|token| of_system(token.system, &[&token.code]))
        .collect();
    let columns = [
        ("issued", "issued", "instant"),
        ("effective", "effective.ofType(dateTime)", "dateTime"),
        ("value", "value.ofType(Quantity).value", "decimal"),
        ("ucum", "value.ofType(Quantity).code", "code"),
        ("answer", "value.ofType(CodeableConcept).coding.code.first()", "code"),
        ("date", "value.ofType(dateTime)", "dateTime"),
    ];
    let coding = each("forEach", &format!("code.coding.where({})", codes.join(" or ")), &CODING);
    of_patient(
        schema,
        "Observation",
        "tobacco",
        "Statements about tobacco, one row a code.",
        (&columns, &coding),
        &[USABLE.to_owned()],
    )
}

const ATTACHMENT: [(&str, &str, &str); 2] =
    [("content_type", "contentType", "code"), ("data", "data", "base64Binary")];

fn document_reference(schema: &Schema) -> Value {
    let columns = [("status", "status", "code"), ("date", "date", "instant")];
    let attachment = each("forEach", "content.attachment", &ATTACHMENT);
    of_patient(
        schema,
        "DocumentReference",
        "document_reference",
        "Texts of notes, one row an attachment.",
        (&columns, &attachment),
        &["status = 'current'".to_owned()],
    )
}

fn diagnostic_report(schema: &Schema) -> Value {
    let columns = [
        ("status", "status", "code"),
        ("issued", "issued", "instant"),
        ("effective", "effective.ofType(dateTime)", "dateTime"),
        ("conclusion", "conclusion", "string"),
    ];
    let form = each("forEachOrNull", "presentedForm", &ATTACHMENT);
    of_patient(
        schema,
        "DiagnosticReport",
        "diagnostic_report",
        "Texts of reports, one row a form.",
        (&columns, &form),
        &[format!("{USABLE} or status = 'appended'")],
    )
}
