//! What is said when a connection does not come about, and what never is: the password.

use std::path::Path;

use tokio::net::TcpListener;

use super::common::*;

async fn refused(url: &url::Url) -> Error {
    Connection::open(url.as_str(), Path::new("/"), Access::Read).await.err().expect("refused")
}

/// A user with this password, who may connect.
async fn user(server: &url::Url, password: &str) -> url::Url {
    let name = fresh("u");
    let quoted = password.replace('\'', "''");
    let sql = if server.scheme() == "postgres" {
        format!("create role {name} login password '{quoted}'")
    } else {
        format!("create user {name}@'127.0.0.1' identified by '{quoted}'")
    };
    open(server, Access::Write).await.script(&sql).await.expect("a user");
    let mut url = server.clone();
    url.set_username(&name).expect("a name");
    url.set_password(Some(password)).expect("a password");
    if server.scheme() != "postgres" {
        url.set_path("");
    }
    url
}

#[tokio::test]
async fn a_password_with_every_mark_works_and_a_wrong_one_is_never_told() {
    let password = "p%2F/?#[@]:&=+ 'ä%";
    for server in [postgresql(), mariadb()] {
        let mut url = user(&server, password).await;
        // `set_password` leaves `%` as it is.
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        url.set_password(Some(&encoded)).expect("a password");
        assert_eq!(one(&mut open(&url, Access::Read).await, "select 1").await, Value::Integer(1));

        let mut wrong = url.clone();
        wrong.set_password(Some("correct-horse")).expect("a password");
        let error = refused(&wrong).await;
        assert_eq!((error.code(), error.fault()), ("database-refused", Fault::Misconfigured), "{error:?}");
        let said = everything(&error);
        assert!(!said.contains("correct-horse") && !said.contains(wrong.as_str()), "{said}");
        assert!(error.to_string().contains(&format!("127.0.0.1:{}", server.port().expect("a port"))), "{error}");
        assert!(error.to_string().contains(url.username()), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_database_is_refused_in_the_servers_words() {
    let mut url = postgresql();
    url.set_path("nowhere");
    assert_eq!(refused(&url).await.causes(), ["database \"nowhere\" does not exist (SQLSTATE 3D000)"]);
    let mut url = mariadb();
    url.set_path("nowhere");
    assert_eq!(refused(&url).await.causes(), ["Unknown database 'nowhere' (error 1049, SQLSTATE 42000)"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    // Taken and let go: nobody listens there now.
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    for (scheme, engine) in [("postgres", "PostgreSQL"), ("mysql", "MySQL"), ("mariadb", "MariaDB")] {
        let url = format!("{scheme}://user:hidden@127.0.0.1:{port}/shop").parse().expect("a URL");
        let error = refused(&url).await;
        assert_eq!((error.code(), error.fault()), ("database-unreachable", Fault::Unavailable));
        assert_eq!(error.to_string(), format!("cannot reach {engine} at `127.0.0.1:{port}/shop`"));
        assert!(error.causes()[0].starts_with("Connection refused"), "{error:?}");
        assert!(!everything(&error).contains("hidden"));
    }
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_unreachable() {
    use tokio::io::AsyncWriteExt;

    for scheme in ["postgres", "mysql"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answer = async {
            let (mut stream, _) = listener.accept().await.expect("a client");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("written");
        };
        let url = format!("{scheme}://user:hidden@127.0.0.1:{port}/shop").parse().expect("a URL");
        let (error, ()) = tokio::join!(refused(&url), answer);
        assert_eq!(error.code(), "database-unreachable", "{error:?}");
        assert!(!everything(&error).contains("hidden"));
    }
}

#[tokio::test]
async fn a_parameter_that_cannot_be_used_is_refused_without_its_value() {
    for url in [
        "postgres://u:hidden@h/d?sslmode=hidden",
        "postgres://u@h/d?port=hidden",
        "mysql://u@h/d?ssl-mode=hidden",
        "mysql://u@h/d?hidden=1",
    ] {
        let error = refused(&url.parse().expect("a URL")).await;
        assert_eq!((error.code(), error.fault()), ("database-url-invalid", Fault::Misconfigured));
        assert!(!everything(&error).contains("hidden"), "{}", everything(&error));
    }
    let mut url = postgresql();
    url.query_pairs_mut().append_pair("sslmode", "require");
    let error = refused(&url).await;
    assert_eq!(error.code(), "database-unreachable");
    assert!(error.causes()[0].starts_with("TLS: "), "{error:?}");
}
