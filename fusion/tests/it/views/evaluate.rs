//! SQL-on-FHIR v2 views over JSON: the few parts of FHIRPath that the schema's views use, and their rows.

use std::collections::BTreeMap;

use serde_json::Value;

/// One row: column and value; a column without a value is absent.
pub(super) type Row = BTreeMap<String, Value>;

/// The rows of a view over these resources.
pub(super) fn rows(view: &Value, resources: &[Value]) -> Vec<Row> {
    let of_type = resources.iter().filter(|one| one["resourceType"] == view["resource"]);
    let filters: Vec<&str> = list(&view["where"]).map(|one| one["path"].as_str().unwrap()).collect();
    of_type
        .filter(|one| filters.iter().all(|path| is_true(&evaluate(path, one))))
        .flat_map(|one| selected(list(&view["select"]), one))
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The rows of several selects together: every one of each with every one of the others.
fn selected<'a>(selects: impl Iterator<Item = &'a Value>, focus: &Value) -> Vec<Row> {
    selects.fold(vec![Row::new()], |rows, select| {
        let own = select_rows(select, focus);
        let join = |row: &Row| {
            own.iter().map(|one| row.clone().into_iter().chain(one.clone()).collect()).collect::<Vec<Row>>()
        };
        rows.iter().flat_map(join).collect()
    })
}

fn select_rows(select: &Value, focus: &Value) -> Vec<Row> {
    let each = select["forEach"].as_str().or_else(|| select["forEachOrNull"].as_str());
    let mut focuses = each.map_or_else(|| vec![focus.clone()], |path| evaluate(path, focus));
    if focuses.is_empty() && select.get("forEachOrNull").is_some() {
        focuses.push(Value::Null);
    }
    focuses.iter().flat_map(|focus| columns(select, focus)).collect()
}

fn columns(select: &Value, focus: &Value) -> Vec<Row> {
    let value = |column: &Value| {
        let mut found = evaluate(column["path"].as_str().unwrap(), focus);
        assert!(found.len() <= 1, "{column} has several values");
        Some((column["name"].as_str().unwrap().to_owned(), found.pop()?))
    };
    let own: Row = list(&select["column"]).filter_map(value).collect();
    let mut all: Vec<Row> = selected(list(&select["select"]), focus)
        .into_iter()
        .map(|row| own.clone().into_iter().chain(row).collect())
        .collect();
    if select.get("unionAll").is_some() {
        let branches: Vec<Row> = list(&select["unionAll"]).flat_map(|one| select_rows(one, focus)).collect();
        all = all
            .iter()
            .flat_map(|row| branches.iter().map(|one| row.clone().into_iter().chain(one.clone()).collect()))
            .collect();
    }
    all
}

fn is_true(found: &[Value]) -> bool {
    found == [Value::Bool(true)]
}

fn evaluate(path: &str, focus: &Value) -> Vec<Value> {
    let mut reader = Reader { rest: path };
    let found = reader.either(focus);
    assert!(reader.rest.trim().is_empty(), "{path}: not read: {}", reader.rest);
    found
}

/// Reads an expression and computes it as it goes.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn takes(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(token);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }

    fn either(&mut self, focus: &Value) -> Vec<Value> {
        let mut found = self.both(focus);
        while self.takes("or ") {
            let other = self.both(focus);
            found = vec![Value::Bool(is_true(&found) || is_true(&other))];
        }
        found
    }

    fn both(&mut self, focus: &Value) -> Vec<Value> {
        let mut found = self.comparison(focus);
        while self.takes("and ") {
            let other = self.comparison(focus);
            found = vec![Value::Bool(is_true(&found) && is_true(&other))];
        }
        found
    }

    fn comparison(&mut self, focus: &Value) -> Vec<Value> {
        let found = self.path(focus);
        let equal = if self.takes("!=") {
            false
        } else if self.takes("=") {
            true
        } else {
            return found;
        };
        let other = self.path(focus);
        // Nothing compared with something is nothing.
        if found.is_empty() || other.is_empty() {
            Vec::new()
        } else {
            vec![Value::Bool((found == other) == equal)]
        }
    }

    fn path(&mut self, focus: &Value) -> Vec<Value> {
        if self.takes("'") {
            let (text, rest) = self.rest.split_once('\'').unwrap();
            self.rest = rest;
            return vec![text.into()];
        }
        let mut found = if self.takes("(") {
            let inner = self.either(focus);
            assert!(self.takes(")"));
            inner
        } else {
            self.step(vec![focus.clone()])
        };
        while self.takes(".") {
            found = self.step(found);
        }
        found
    }

    /// A function, or an element; of an element of several types the one of `ofType`.
    fn step(&mut self, input: Vec<Value>) -> Vec<Value> {
        let name = self.name();
        if self.takes("(") {
            return self.function(name, input);
        }
        let kind = if self.takes(".ofType(") {
            let kind = self.name();
            assert!(self.takes(")"));
            Some(kind)
        } else {
            None
        };
        let key = kind.map_or_else(
            || name.to_owned(),
            |kind| format!("{name}{}{}", kind[..1].to_uppercase(), &kind[1..]),
        );
        let elements = input.iter().filter_map(|one| one.get(&key));
        elements.flat_map(|one| one.as_array().cloned().unwrap_or_else(|| vec![one.clone()])).collect()
    }

    fn name(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
        assert!(end > 0, "no name: {rest}");
        self.rest = &rest[end..];
        &rest[..end]
    }

    fn function(&mut self, name: &str, input: Vec<Value>) -> Vec<Value> {
        let start = self.rest;
        let end = closing(start);
        let argument = &start[..end];
        self.rest = &start[end + 1..];
        match name {
            "where" => input.into_iter().filter(|one| is_true(&evaluate(argument, one))).collect(),
            "first" => input.into_iter().take(1).collect(),
            "exists" => vec![Value::Bool(!input.is_empty())],
            "empty" => vec![Value::Bool(input.is_empty())],
            "lower" => input.iter().filter_map(|one| Some(one.as_str()?.to_lowercase().into())).collect(),
            "getResourceKey" => input.iter().filter_map(|one| one.get("id").cloned()).collect(),
            "getReferenceKey" => {
                let ids = input
                    .iter()
                    .filter_map(|one| one["reference"].as_str()?.strip_prefix(&format!("{argument}/")));
                ids.map(Value::from).collect()
            }
            other => unreachable!("{other} is not of these views"),
        }
    }
}

/// Where the parenthesis closes that was opened before.
fn closing(text: &str) -> usize {
    let (mut depth, mut quoted) = (1, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    unreachable!("no parenthesis closes {text}")
}
