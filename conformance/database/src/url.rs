//! A Postgres URL: checked before use, shown without its password, pointed at other databases.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// A URL whose parts are known.
#[derive(Clone)]
pub(crate) struct ServerUrl {
    text: String,
    options: PgConnectOptions,
}

impl ServerUrl {
    /// Checks a URL that a person wrote. The error says what is wrong without quoting it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let shape = "it must look like postgres://user:password@host:5432/database";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("is not a URL: {shape}"));
        };
        if scheme != "postgres" && scheme != "postgresql" {
            return Err(format!("is not a Postgres URL: {shape}"));
        }
        // A password with one of these characters in it would end early, and what is left of it
        // would be taken for a host or a database, and shown.
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(authority_end);
        if authority.matches('@').count() > 1 || tail.contains('@') || tail.contains('#') {
            return Err(
                "has an @, /, ? or # in the user or password: write it as %40, %2F, %3F or %23"
                    .into(),
            );
        }
        if query(text).is_some_and(|query| query.split('&').any(|pair| pair.starts_with("dbname=")))
        {
            return Err(format!(
                "names the database in its query, and it belongs in the path: {shape}"
            ));
        }
        let options = PgConnectOptions::from_str(text).map_err(|error| {
            // The driver's own words, which name the part and not its value.
            let detail = match error {
                sqlx::Error::Configuration(source) => source.to_string(),
                _ => "it cannot be parsed".into(),
            };
            format!("is not a usable URL ({detail}): {shape}")
        })?;
        Ok(Self {
            text: text.into(),
            options,
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Where it points, without user and password.
    pub(crate) fn place(&self) -> String {
        let options = &self.options;
        let server = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        // Without a path Postgres takes the user's name.
        let database = options
            .get_database()
            .unwrap_or_else(|| options.get_username());
        format!("{server}/{database}")
    }

    /// The same server's URL for another database. The name needs no escaping.
    pub(crate) fn with_database(&self, name: &str) -> String {
        let after_scheme = self.text.find("://").map_or(0, |at| at + 3);
        let authority_end = self.text[after_scheme..]
            .find(['/', '?'])
            .map_or(self.text.len(), |at| after_scheme + at);
        let query = query(&self.text)
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        format!("{}/{name}{query}", &self.text[..authority_end])
    }
}

fn query(url: &str) -> Option<&str> {
    url.split_once('?').map(|(_, query)| query)
}

#[cfg(test)]
mod tests {
    use super::ServerUrl;

    #[track_caller]
    fn check(url: &str, place: &str, other: &str) {
        let url = ServerUrl::parse(url).unwrap();
        assert_eq!(
            (url.place().as_str(), url.with_database("other").as_str()),
            (place, other)
        );
    }

    #[test]
    fn a_url_is_shown_without_its_password_and_pointed_elsewhere() {
        check(
            "postgres://u:secret@h:1/d",
            "h:1/d",
            "postgres://u:secret@h:1/other",
        );
        check(
            "postgresql://u:secret@h/d?sslmode=disable",
            "h:5432/d",
            "postgresql://u:secret@h/other?sslmode=disable",
        );
        check(
            "postgres://u:p%40ss@h",
            "h:5432/u",
            "postgres://u:p%40ss@h/other",
        );
        check(
            "postgres://u@h?sslmode=disable",
            "h:5432/u",
            "postgres://u@h/other?sslmode=disable",
        );
        check(
            "postgres://u:secret@localhost/d?host=/run/sock",
            "/run/sock/d",
            "postgres://u:secret@localhost/other?host=/run/sock",
        );
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_quoting_it() {
        for (url, says) in [
            ("secret", "is not a URL"),
            ("mysql://u:secret@h/d", "is not a Postgres URL"),
            ("postgres://u:se@cret@h/d", "write it as %40"),
            ("postgres://u:1/cret@h/d", "write it as %40"),
            ("postgres://u:se?cret@h/d", "write it as %40"),
            ("postgres://u:secret@h/d?dbname=e", "belongs in the path"),
            ("postgres://u:secret@h:port/d", "invalid port number"),
            ("postgres://u:secret@h/d?sslmode=maybe", "ssl_mode"),
        ] {
            let problem = ServerUrl::parse(url).err().unwrap();
            assert!(problem.contains(says), "{url}: {problem}");
            assert!(!problem.contains("cret"), "{url}: {problem}");
        }
    }
}
