//! How GitLab's requests are sent: by reqwest, as every forge is reached ([`crate::forge::reach`]).

use super::Token;
use crate::forge::answer::Answer;
use crate::forge::client::{Request, Unusable, Wire, root};
use crate::forge::reach;
use crate::network::Trust;
use crate::secret::{MASK, Secret};
use crate::variable;
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::OnceCell;
use url::Url;

/// reqwest, for one GitLab and one token.
pub(super) struct Http {
    /// Without a slash at its end.
    api: String,
    headers: HeaderMap,
    token: Secret,
    trust: Trust,
    /// Made at the first request: it reads the machine's certificates.
    client: OnceCell<reqwest::Client>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Http").field("api", &self.api).field("token", &self.token).finish_non_exhaustive()
    }
}

impl Http {
    /// For the API at this address.
    pub(super) fn new(api: &str, token: Token, trust: Trust) -> Result<Self, Unusable> {
        let url = Url::parse(api).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            return Err(Unusable {
                cause: format!("`{api}` is not the address of an API"),
                hint: "set `CI_API_V4_URL` to an address such as `https://gitlab.com/api/v4`",
            });
        }
        let (name, variable, token) = match token {
            Token::Job(token) => ("job-token", variable::CI_JOB_TOKEN, token),
            Token::Given(token) => ("private-token", variable::GITLAB_TOKEN, token),
        };
        let mut value = HeaderValue::from_str(token.expose()).map_err(|_| Unusable {
            cause: format!("the token in `{variable}` has characters that no token has"),
            hint: "set it to the token alone, without a line break",
        })?;
        value.set_sensitive(true);
        let headers = [(HeaderName::from_static(name), value)].into_iter().collect();
        Ok(Self { api: api.trim_end_matches('/').to_owned(), headers, token, trust, client: OnceCell::new() })
    }

    async fn client(&self) -> Result<&reqwest::Client, String> {
        self.client.get_or_try_init(async || reach::client(self.headers.clone(), &self.trust).await).await
    }
}

#[async_trait]
impl Wire for Http {
    async fn send(&self, request: Request<'_>) -> Result<Answer, String> {
        let client = self.client().await?;
        let mut sent = client.request(request.method.clone(), format!("{}{}", self.api, request.route));
        if let Some(body) = request.body {
            sent = sent.header(http::header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        if let Some(file) = request.file {
            sent = sent.header(http::header::CONTENT_TYPE, "application/octet-stream").body(file.to_owned());
        }
        let response = sent.send().await.map_err(|error| root(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = reach::answer(response).await?;
        // A mirror that sends back what it was sent must not get our token into an error.
        let body = String::from_utf8_lossy(&bytes).replace(self.token.expose(), MASK);
        Ok(Answer { status, headers, body })
    }
}
