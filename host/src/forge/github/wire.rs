//! How GitHub's requests are sent: octocrab builds them, and sends them as every forge is reached ([`crate::forge::reach`]).
//! Its own retries are not compiled in: they send a POST again at once, whatever became of it.

use crate::forge::answer::Answer;
use crate::forge::client::{LARGEST, Request, Unusable, Wire, root};
use crate::forge::reach;
use crate::network::Trust;
use crate::secret::{MASK, Secret};
use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Uri};
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;
use tokio::sync::OnceCell;

/// octocrab, for one GitHub and one token.
pub(super) struct Octo {
    /// Scheme, host and port.
    origin: Uri,
    /// `/api/v3` on Enterprise Server. Kept from octocrab, which leaves it out before a path that begins the same way.
    base: String,
    token: Secret,
    trust: Trust,
    /// Made at the first request: it needs tokio, and reads the machine's certificates.
    octocrab: OnceCell<Octocrab>,
}

impl std::fmt::Debug for Octo {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Octo").field("origin", &self.origin).field("token", &self.token).finish_non_exhaustive()
    }
}

impl Octo {
    /// For the API at this address.
    pub(super) fn new(api: &str, token: Secret, trust: Trust) -> Result<Self, Unusable> {
        let no_address = || Unusable {
            cause: format!("`{api}` is not the address of an API"),
            hint: "set `GITHUB_API_URL` to an address such as `https://api.github.com`",
        };
        let uri: Uri = api.parse().map_err(|_| no_address())?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(no_address());
        };
        // octocrab panics at a token that no header can carry.
        if HeaderValue::from_str(token.expose()).is_err() {
            return Err(Unusable {
                cause: "the token in `GITHUB_TOKEN` has characters that no token has".into(),
                hint: "set `GITHUB_TOKEN` to the token alone, without a line break",
            });
        }
        let origin = Uri::builder()
            .scheme(uri.scheme_str().unwrap_or("https"))
            .authority(authority.as_str())
            .path_and_query("/")
            .build();
        Ok(Self {
            origin: origin.map_err(|_| no_address())?,
            base: uri.path().trim_end_matches('/').to_owned(),
            token,
            trust,
            octocrab: OnceCell::new(),
        })
    }

    async fn octocrab(&self) -> Result<&Octocrab, String> {
        let build = async || {
            let client = reach::client(HeaderMap::new(), &self.trust).await?;
            Octocrab::builder()
                .base_uri(self.origin.clone())
                .and_then(|builder| builder.personal_token(self.token.expose()).build_with_reqwest(client))
                .map_err(|error| root(&error))
        };
        self.octocrab.get_or_try_init(build).await
    }
}

#[async_trait]
impl Wire for Octo {
    async fn send(&self, request: Request<'_>) -> Result<Answer, String> {
        let octocrab = self.octocrab().await?;
        let route = format!("{}{}", self.base, request.route);
        let response = match (request.method.as_str(), request.body) {
            ("POST", body) => octocrab._post(route, body).await,
            ("PATCH", body) => octocrab._patch(route, body).await,
            ("PUT", body) => octocrab._put(route, body).await,
            ("DELETE", body) => octocrab._delete(route, body).await,
            _ => octocrab._get(route).await,
        };
        let (parts, body) = response.map_err(|error| root(&error))?.into_parts();
        let bytes = Limited::new(body, LARGEST).collect().await.map_err(|error| root(&*error))?.to_bytes();
        // A mirror that sends back what it was sent must not get our token into an error.
        let body = String::from_utf8_lossy(&bytes).replace(self.token.expose(), MASK);
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}
