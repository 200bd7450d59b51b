//! The metadata: what the file is, and which part of PDF/A it follows (ISO 19005-2, 6.6).

use maud::html as markup;

use crate::report::document::Report;
use crate::report::html;
use crate::report::text::visible;
use crate::report::wording;

/// The packet. Its times are the report's own.
pub(super) fn packet(report: &Report) -> String {
    let (software, issued) = (&report.software, report.issued.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let program = format!("{} {}", visible(&software.name), visible(&software.version));
    let title = format!("{}. {}", html::title(report), wording::status(report.language));
    let version = format!("urn:chiasm:report:{}:{}", visible(&report.keys.report), visible(&report.keys.job));
    let body = markup! {
        rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" {
            rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
                xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" {
                pdfaid:part { "2" }
                pdfaid:conformance { "A" }
                dc:format { "application/pdf" }
                dc:identifier { (version) }
                dc:title { rdf:Alt { rdf:li xml:lang="x-default" { (title) } } }
                dc:creator { rdf:Seq { rdf:li { (program) } } }
                dc:language { rdf:Bag { rdf:li { (report.language.tag()) } } }
                xmp:CreateDate { (issued) }
                xmp:ModifyDate { (issued) }
                xmp:CreatorTool { (program) }
                pdf:Producer { (program) }
            }
        }
    };
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\">{}</x:xmpmeta>\
         <?xpacket end=\"r\"?>",
        body.into_string()
    )
}
