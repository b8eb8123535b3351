//! The step's `with`, and what it needs.

use schemars::JsonSchema;
use serde::Deserialize;
use windlass_plugin::http::{Target, addresses};
use windlass_plugin::{Capability, Duration, Failure, Phases, SecretReference, SecretUse};

/// Tells a Slack channel about the deployment. With a bot token it posts one message and updates it; with an incoming
/// webhook, which cannot update, it posts once at the end. It has exactly one of `token` and `webhook`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The bot's token, as a secret. It needs the scope `chat:write`, and `chat:write.public` for channels that the bot
    /// is not a member of.
    pub token: Option<SecretReference>,
    /// The incoming webhook's URL, as a secret.
    pub webhook: Option<SecretReference>,
    /// The channel, by name (`#deploys`) or id (`C0123456789`). A webhook has its own.
    #[schemars(length(min = 1))]
    pub channel: Option<String>,
    /// What the message is about, instead of app, version and environment. How it stands is added.
    pub title: Option<String>,
    /// A paragraph of your own, in Slack's markup (`*bold*`, `_italic_`).
    pub text: Option<String>,
    /// Whom to mention when the deployment fails: a user's or a user group's id (`U0123456789`, `S0123456789`), a group's
    /// handle (`@oncall`), `@here`, `@channel` or `@everyone`.
    #[serde(default)]
    pub mention: Vec<String>,
    /// Announce also what is live already, and with a webhook also the beginning.
    #[serde(default)]
    pub always: bool,
    /// Fail the step where the message cannot be sent. Left out, that is a warning.
    #[serde(default)]
    pub required: bool,
    /// Where Slack's API is, without a path, for example `https://slack-gov.com`.
    #[schemars(regex(pattern = r"^https?://"), extend("default" = "https://slack.com"))]
    pub api: Option<String>,
    /// The addresses that Slack may have: `public`, `private`, `loopback` or a CIDR. Left out, it is `public`.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// How long to wait for one answer of Slack's.
    #[schemars(extend("default" = "10s"))]
    pub timeout: Option<Duration>,
}

/// How the message is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// By the API, with a bot's token.
    Bot {
        /// The secret's name.
        secret: String,
        /// The channel, as configured.
        channel: String,
        /// The API.
        api: Target,
    },
    /// By an incoming webhook.
    Webhook {
        /// The secret's name.
        secret: String,
    },
}

impl Route {
    /// The name of the secret that it needs.
    #[must_use]
    pub fn secret(&self) -> &str {
        match self {
            Self::Bot { secret, .. } | Self::Webhook { secret } => secret,
        }
    }

    /// What it is called in intents and logs.
    #[must_use]
    pub fn place(&self) -> &str {
        match self {
            Self::Bot { channel, .. } => channel,
            Self::Webhook { .. } => "the webhook's channel",
        }
    }

    /// The URL of one of the API's methods; none for a webhook, whose only URL is the secret.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<String> {
        match self {
            Self::Bot { api, .. } => Some(format!("{}/api/{name}", api.origin())),
            Self::Webhook { .. } => None,
        }
    }
}

impl Config {
    /// How the message is sent.
    ///
    /// # Errors
    /// `misconfigured` where the keys contradict each other.
    pub fn route(&self) -> Result<Route, Failure> {
        for mention in &self.mention {
            if crate::message::mention(mention).is_none() {
                return Err(Failure::misconfigured(
                    "invalid-mention",
                    format!("`{mention}` is nobody that Slack can mention"),
                )
                .with_hint("give a user's id such as `U0123456789`, a group's handle such as `@oncall`, or `@here`"));
            }
        }
        match (&self.token, &self.webhook) {
            (Some(token), None) => {
                let Some(channel) = &self.channel else {
                    return Err(Failure::misconfigured("no-channel", "a bot's `token` is given and no `channel`")
                        .with_hint("add `channel = \"#deploys\"`"));
                };
                if channel.contains("${") {
                    return Err(Failure::misconfigured(
                        "open-channel",
                        format!("a channel cannot be known only at run time, as `{channel}` would be"),
                    )
                    .with_hint("use `${vars.NAME}` for what differs by environment"));
                }
                Ok(Route::Bot { secret: token.secret.clone(), channel: channel.clone(), api: self.api()? })
            }
            (None, Some(webhook)) => {
                for (key, given) in [("channel", self.channel.is_some()), ("api", self.api.is_some())] {
                    if given {
                        return Err(Failure::misconfigured(
                            "webhook-has-its-own",
                            format!("`{key}` is given, and a `webhook` has its own"),
                        )
                        .with_hint(format!("remove `{key}`, or use a bot's `token` instead of `webhook`")));
                    }
                }
                Ok(Route::Webhook { secret: webhook.secret.clone() })
            }
            (Some(_), Some(_)) => {
                Err(Failure::misconfigured("token-or-webhook", "both `token` and `webhook` are given")
                    .with_hint("keep `token`: with it the message can be updated"))
            }
            (None, None) => Err(Failure::misconfigured("token-or-webhook", "neither `token` nor `webhook` is given")
                .with_hint("add `token = { secret = \"SLACK_BOT_TOKEN\" }`")),
        }
    }

    fn api(&self) -> Result<Target, Failure> {
        let text = self.api.as_deref().unwrap_or("https://slack.com");
        let invalid = || Failure::misconfigured("invalid-api", format!("`api` is not an origin: `{text}`"));
        let target: Target = text.parse().map_err(|why| invalid().because(why))?;
        if target.path != "/" || target.query.is_some() {
            return Err(invalid().with_hint(format!("write `{}`; the paths below it are Slack's own", target.origin())));
        }
        Ok(target)
    }

    /// What it needs.
    ///
    /// # Errors
    /// As [`Config::route`].
    pub fn capabilities(&self) -> Result<Vec<Capability>, Failure> {
        // A rollback updates the message.
        let phases = Phases::APPLY | Phases::REVERT;
        Ok(match self.route()? {
            Route::Bot { secret, api, .. } => vec![
                Capability::http(&api.scheme, &api.host, api.port)
                    .methods(["POST"])
                    .path("/api/")
                    .addresses(addresses(&api.host, &self.addresses))
                    .during(phases),
                Capability::secret(secret, SecretUse::Header(api.origin()), phases),
            ],
            Route::Webhook { secret } => {
                vec![Capability::secret_url(secret, ["POST"], self.addresses.iter().cloned(), Phases::APPLY)]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use windlass_plugin::Grant;

    fn config(with: serde_json::Value) -> Config {
        serde_json::from_value(with).expect("fits the schema")
    }

    #[test]
    fn contradictions_are_refused() {
        let token = json!({ "secret": "TOKEN" });
        for (with, code) in [
            (json!({}), "token-or-webhook"),
            (json!({ "token": token, "webhook": token, "channel": "#a" }), "token-or-webhook"),
            (json!({ "token": token }), "no-channel"),
            (json!({ "token": token, "channel": "#${env.X}" }), "open-channel"),
            (json!({ "webhook": token, "channel": "#a" }), "webhook-has-its-own"),
            (json!({ "webhook": token, "api": "https://slack.com" }), "webhook-has-its-own"),
            (json!({ "token": token, "channel": "#a", "api": "https://slack.com/api" }), "invalid-api"),
            (json!({ "token": token, "channel": "#a", "api": "https://${env.X}" }), "invalid-api"),
            (json!({ "token": token, "channel": "#a", "mention": ["somebody"] }), "invalid-mention"),
        ] {
            assert_eq!(config(with.clone()).capabilities().expect_err("a contradiction").code, code, "{with}");
        }
    }

    #[test]
    fn a_token_is_good_for_one_origin_and_the_api_below_it() {
        let capabilities =
            config(json!({ "token": { "secret": "TOKEN" }, "channel": "#deploys" })).capabilities().expect("good");
        let Grant::Http(http) = &capabilities[0].grant else { panic!("not http") };
        assert_eq!((http.scheme.as_str(), http.host.as_str(), http.port), ("https", "slack.com", 443));
        assert_eq!((http.path.as_str(), http.methods.join(","), http.addresses.len()), ("/api/", "POST".into(), 0));
        let Grant::Secret(secret) = &capabilities[1].grant else { panic!("no secret") };
        assert_eq!(secret.usage, SecretUse::Header("https://slack.com".into()));
    }

    #[test]
    fn another_api_moves_all_of_it() {
        let with = json!({ "token": { "secret": "T" }, "channel": "#a", "api": "http://127.0.0.1:8080" });
        let config = config(with);
        let capabilities = config.capabilities().expect("good");
        let Grant::Http(http) = &capabilities[0].grant else { panic!("not http") };
        assert_eq!((http.port, &http.addresses[..]), (8080, &["loopback".to_owned()][..]));
        let Grant::Secret(secret) = &capabilities[1].grant else { panic!("no secret") };
        assert_eq!(secret.usage, SecretUse::Header("http://127.0.0.1:8080".into()));
        let url = config.route().expect("good").method("chat.update");
        assert_eq!(url.as_deref(), Some("http://127.0.0.1:8080/api/chat.update"));
    }

    #[test]
    fn a_webhook_is_a_secret_and_nothing_else() {
        let capabilities = config(json!({ "webhook": { "secret": "HOOK" } })).capabilities().expect("good");
        assert_eq!(capabilities.len(), 1);
        assert!(matches!(&capabilities[0].grant, Grant::Secret(secret) if matches!(secret.usage, SecretUse::Url(_))));
    }
}
