//! The schema as SQL-on-FHIR v2 ViewDefinitions: which rows of which resources the features are made from.
//!
//! <https://sql-on-fhir.org/ig/2.0.0/StructureDefinition-ViewDefinition.html>. A view selects and flattens; what was
//! known at t0, windows and statistics are the reader's, as `chiasm features` has them.

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
        ("family-member-history", family_member_history(schema)),
        ("tobacco", tobacco(schema)),
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
    let select = json!([{ "column": shared }, { "unionAll": [own, part] }]);
    view(
        schema,
        "measurement",
        "Observation",
        "Measured values and their parts, one row a code.",
        &select,
        &[USABLE.to_owned()],
    )
}

fn condition(schema: &Schema) -> Value {
    let columns = [
        column("id", "getResourceKey()", "string"),
        column("patient_id", "subject.getReferenceKey(Patient)", "string"),
        column("recorded", "recordedDate", "dateTime"),
        column("onset", "onset.ofType(dateTime)", "dateTime"),
        column("verification", "verificationStatus.coding.code.first()", "code"),
    ];
    let coding = json!({ "forEach": "code.coding", "column": [
        column("system", "system", "uri"), column("code", "code", "code") ] });
    let entered = "verificationStatus.coding.where(code = 'entered-in-error').empty()".to_owned();
    view(
        schema,
        "condition",
        "Condition",
        "Diagnoses, one row a code.",
        &json!([{ "column": columns }, coding]),
        &[entered],
    )
}

fn medication_request(schema: &Schema) -> Value {
    let columns = [
        column("id", "getResourceKey()", "string"),
        column("patient_id", "subject.getReferenceKey(Patient)", "string"),
        column("status", "status", "code"),
        column("authored", "authoredOn", "dateTime"),
    ];
    let coding = json!({ "forEachOrNull": "medication.ofType(CodeableConcept).coding", "column": [
        column("system", "system", "uri"), column("code", "code", "code"), column("display", "display", "string") ] });
    let planned = "intent != 'proposal'".to_owned();
    view(
        schema,
        "medication_request",
        "MedicationRequest",
        "Drugs, one row a code.",
        &json!([{ "column": columns }, coding]),
        &[planned],
    )
}

fn family_member_history(schema: &Schema) -> Value {
    let columns = [
        column("id", "getResourceKey()", "string"),
        column("patient_id", "patient.getReferenceKey(Patient)", "string"),
        column("status", "status", "code"),
        column("date", "date", "dateTime"),
        column("relationship", "relationship.coding.code.first()", "code"),
    ];
    let coding = json!({ "forEachOrNull": "condition.code.coding", "column": [
        column("system", "system", "uri"), column("code", "code", "code") ] });
    let select = json!([{ "column": columns }, coding]);
    view(
        schema,
        "family_member_history",
        "FamilyMemberHistory",
        "Diseases of relatives, one row a code.",
        &select,
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
        column("id", "getResourceKey()", "string"),
        column("patient_id", "subject.getReferenceKey(Patient)", "string"),
        column("issued", "issued", "instant"),
        column("effective", "effective.ofType(dateTime)", "dateTime"),
        column("value", "value.ofType(Quantity).value", "decimal"),
        column("ucum", "value.ofType(Quantity).code", "code"),
        column("answer", "value.ofType(CodeableConcept).coding.code.first()", "code"),
        column("date", "value.ofType(dateTime)", "dateTime"),
    ];
    let coding = json!({ "forEach": format!("code.coding.where({})", codes.join(" or ")), "column": [
        column("system", "system", "uri"), column("code", "code", "code") ] });
    let select = json!([{ "column": columns }, coding]);
    view(
        schema,
        "tobacco",
        "Observation",
        "Statements about tobacco, one row a code.",
        &select,
        &[USABLE.to_owned()],
    )
}

fn document_reference(schema: &Schema) -> Value {
    let columns = [
        column("id", "getResourceKey()", "string"),
        column("patient_id", "subject.getReferenceKey(Patient)", "string"),
        column("status", "status", "code"),
        column("date", "date", "instant"),
    ];
    let attachment = json!({ "forEach": "content.attachment", "column": [
        column("content_type", "contentType", "code"), column("data", "data", "base64Binary") ] });
    let select = json!([{ "column": columns }, attachment]);
    let current = "status = 'current'".to_owned();
    view(
        schema,
        "document_reference",
        "DocumentReference",
        "Texts of notes, one row an attachment.",
        &select,
        &[current],
    )
}

fn diagnostic_report(schema: &Schema) -> Value {
    let columns = [
        column("id", "getResourceKey()", "string"),
        column("patient_id", "subject.getReferenceKey(Patient)", "string"),
        column("status", "status", "code"),
        column("issued", "issued", "instant"),
        column("effective", "effective.ofType(dateTime)", "dateTime"),
        column("conclusion", "conclusion", "string"),
    ];
    let form = json!({ "forEachOrNull": "presentedForm", "column": [
        column("content_type", "contentType", "code"), column("data", "data", "base64Binary") ] });
    let select = json!([{ "column": columns }, form]);
    let usable = format!("{USABLE} or status = 'appended'");
    view(
        schema,
        "diagnostic_report",
        "DiagnosticReport",
        "Texts of reports, one row a form.",
        &select,
        &[usable],
    )
}
