//! The status page: what a control file did, as HTML for a phone and as JSON beside it.
//!
//! It may lie where everybody can read it, so it names services and their state, and neither the
//! address of the file nor that of anybody.

use std::fmt::Write as _;

use serde::Serialize;

/// What the page says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// When it was written (RFC 3339).
    pub at: String,
    /// Each service that a file may drive.
    pub services: Vec<ServiceLine>,
    /// When the file was last asked for.
    pub last_fetch: Option<String>,
    /// Why it did not come, or does not count; `None`: all is well.
    pub last_error: Option<String>,
    /// The serial of the file in effect.
    pub serial: Option<u32>,
    /// Whether files have to be signed.
    pub signed: bool,
}

/// A service on the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceLine {
    /// Its name.
    pub name: String,
    /// `open`, `closed` or `partly open`.
    pub state: String,
    /// When that ends by itself.
    pub until: Option<String>,
}

/// All of the page's looks: it loads nothing.
const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:0 auto;\
                     padding:1rem;color:#1b1f24;background:#fff}table{width:100%;\
                     border-collapse:collapse}th,td{text-align:left;padding:.5rem;\
                     border-bottom:1px solid #8886;overflow-wrap:anywhere}.error{color:#a40e26}\
                     @media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181c}\
                     .error{color:#ff8f8f}}";

impl Page {
    /// Returns the page as HTML: no script, nothing from elsewhere, all texts escaped.
    pub fn html(&self) -> String {
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
             name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta \
             name=\"robots\" content=\"noindex\">\n<title>Services</title>\n<style>{STYLE}\
             </style>\n</head>\n<body>\n<h1>Services</h1>\n"
        );
        out.push_str("<table>\n<tr><th>Service</th><th>State</th><th>Until</th></tr>\n");
        for ServiceLine { name, state, until } in &self.services {
            let until = until.as_deref().unwrap_or("");
            // Writing to a string does not fail.
            let _ = writeln!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(name),
                escaped(state),
                escaped(until)
            );
        }
        out.push_str("</table>\n");
        let last = self.last_fetch.as_deref().unwrap_or("never");
        let mut line = |class: &str, text: &str| {
            // As above.
            let _ = writeln!(out, "<p{class}>{}</p>", escaped(text));
        };
        if let Some(error) = &self.last_error {
            line(" class=\"error\"", &format!("Last error: {error}"));
        }
        line("", &format!("Last fetch: {last}"));
        match (self.serial, self.signed) {
            (Some(serial), _) => line("", &format!("File in effect: serial {serial}")),
            (None, false) => line("", "Files need no signature."),
            (None, true) => {}
        }
        line("", &format!("Written: {}", self.at));
        out.push_str("</body>\n</html>\n");
        out
    }

    /// Returns the page as one JSON document.
    ///
    /// # Panics
    /// Never: each of its values has a form in JSON.
    pub fn json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("each value has a form in JSON");
        format!("{json}\n")
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let line = |name: &str, state: &str, until: Option<&str>| ServiceLine {
            name: name.to_owned(),
            state: state.to_owned(),
            until: until.map(str::to_owned),
        };
        Page {
            at: "2026-11-28T19:00:00Z".to_owned(),
            services: vec![
                line("ssh", "open", Some("2026-11-28T20:00:00Z")),
                line("<vpn>", "closed", None),
            ],
            last_fetch: None,
            last_error: Some("the server points to `<script>alert('&')</script>`\0".to_owned()),
            serial: Some(12),
            signed: true,
        }
    }

    #[test]
    fn the_page_says_all_and_runs_nothing() {
        let html = page().html();
        for part in [
            "<tr><td>ssh</td><td>open</td><td>2026-11-28T20:00:00Z</td></tr>",
            "<tr><td>&lt;vpn&gt;</td><td>closed</td><td></td></tr>",
            "<p class=\"error\">Last error: the server points to `&lt;script&gt;alert(&#39;&amp;\
             &#39;)&lt;/script&gt;` </p>",
            "<p>Last fetch: never</p>",
            "<p>File in effect: serial 12</p>",
            "<meta name=\"viewport\"",
        ] {
            assert!(html.contains(part), "{part}\n{html}");
        }
        assert!(!html.contains("<script") && !html.contains("http:") && !html.contains("https:"));
    }

    #[test]
    fn the_same_is_there_for_programs() {
        let json: serde_json::Value = serde_json::from_str(&page().json()).unwrap();
        assert_eq!(json["services"][0]["state"], "open");
        assert_eq!(json["services"][1]["name"], "<vpn>");
        assert_eq!(json["last_fetch"], serde_json::Value::Null);
        assert_eq!(json["serial"], 12);
    }
}
