//! What the page says, in the `data-` attributes of what it shows.

use std::collections::BTreeMap;

use super::{Finding, Lesion, Risk, Said, percent, shown};

/// The attributes of every element that has this one.
pub(super) fn with_attribute(page: &str, wanted: &str) -> Vec<BTreeMap<String, String>> {
    let elements = page.split('<').filter_map(|part| part.split_once('>')).map(|(element, _)| element);
    let attributes = |element: &str| {
        let mut parts = element.split('"');
        let mut found = BTreeMap::new();
        while let (Some(before), Some(value)) = (parts.next(), parts.next()) {
            let name = before.trim().rsplit(' ').next().unwrap().trim_end_matches('=');
            found.insert(name.to_owned(), value.to_owned());
        }
        found
    };
    elements.map(attributes).filter(|found| found.contains_key(wanted)).collect()
}

pub(super) fn of_page(page: &str) -> Said {
    let mut said = Said::default();
    let percent_of = |attributes: &BTreeMap<String, String>, name: &str| {
        attributes.get(name).map(|fraction| percent(fraction.parse::<f64>().unwrap() * 100.0))
    };
    for row in with_attribute(page, "data-finding") {
        let finding = Finding {
            percent: percent_of(&row, "data-probability"),
            state: row["data-state"].clone(),
            model: row["data-model"].clone(),
        };
        said.findings.insert(row["data-finding"].clone(), finding);
    }
    for risk in with_attribute(page, "data-risk") {
        let id = &risk["data-risk"];
        let percent = percent_of(&risk, "data-probability");
        // in words as a reader sees them: the text of the row's cell
        let row = page.split(&format!("data-risk=\"{id}\"")).nth(1).unwrap().split("</td>").next().unwrap();
        let words = row.rsplit("<td class=\"wide\">").next().unwrap().split(" <span").next().unwrap();
        let why_not = if percent.is_none() { unescaped(words) } else { String::new() };
        let could_be = percent_of(&risk, "data-could-low").zip(percent_of(&risk, "data-could-high"));
        let article = page.split(&format!("data-risk=\"{id}\"")).nth(1).unwrap();
        let article = article.split("</article>").next().unwrap();
        for other in with_attribute(article, "data-comparator").iter().filter(|_| percent.is_some()) {
            let number =
                other.get("data-probability").map(|fraction| fraction.parse::<f64>().unwrap() * 100.0);
            let key = (id.clone(), unescaped(&other["data-comparator"]));
            said.comparators.insert(key, (number.map(shown), other.contains_key("data-disagrees")));
        }
        said.risks.insert(
            id.clone(),
            Risk {
                could_be,
                missing: risk["data-missing"].split(' ').collect::<Vec<_>>().join(", "),
                percent,
                low: percent_of(&risk, "data-low"),
                high: percent_of(&risk, "data-high"),
                why_not,
                model: risk.get("data-model").cloned(),
            },
        );
    }
    said.lesion = with_attribute(page, "data-lesion").first().map(|row| Lesion {
        diameter_mm: row["data-lesion"].clone(),
        site: row["data-site"].clone(),
        seen: row["data-seen"].clone(),
        count: row["data-count"].clone(),
        stated_in: row["data-stated-in"].clone(),
    });
    for model in with_attribute(page, "data-digest") {
        said.models.insert((
            model["data-model"].clone(),
            model["data-version"].clone(),
            model["data-digest"].clone(),
        ));
    }
    said.study.clone_from(&with_attribute(page, "data-study")[0]["data-study"]);
    said.instances = with_attribute(page, "data-read").iter().map(|row| row["data-read"].clone()).collect();
    let times = with_attribute(page, "datetime");
    (said.issued, said.started) = (times[0]["datetime"].clone(), times[1]["datetime"].clone());
    said
}

pub(super) fn unescaped(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&"), ("\u{a0}", " ")];
    named.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
