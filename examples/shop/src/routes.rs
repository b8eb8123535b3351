//! The shop over HTTP.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::Connection;
use serde_json::json;

use crate::health::{self, Health, Status};
use crate::options::Options;
use crate::store::{self, Refusal, Wish};

/// What the shop answers to.
pub fn router(options: Options) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get(health))
        .route("/products", get(products))
        .route("/orders", post(place))
        .route("/orders/{id}", get(order))
        .with_state(Arc::new(options))
}

type Shop = State<Arc<Options>>;

async fn index(State(options): Shop) -> Json<serde_json::Value> {
    Json(json!({
        "shop": env!("CARGO_PKG_VERSION"),
        "environment": options.environment,
        "try": ["GET /products", "POST /orders {\"product\": 1, \"quantity\": 2}", "GET /orders/1", "GET /health"],
    }))
}

async fn health(State(options): Shop) -> Response {
    let file = options.database.clone();
    let (status, schema, problem) = match wait(move || health::examine(store::open(&file))).await {
        Ok(examined) => examined,
        Err(problem) => (Status::Broken, None, Some(problem)),
    };
    let code = match status {
        Status::Ok => StatusCode::OK,
        Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Status::Broken => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let health = Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        commit: options.commit.clone(),
        environment: options.environment.clone(),
        schema,
        problem,
    };
    (code, Json(health)).into_response()
}

async fn products(shop: Shop) -> Response {
    match with_database(shop, |database| Ok(store::products(database)?)).await {
        Ok(products) => Json(products).into_response(),
        Err(response) => response,
    }
}

async fn place(shop: Shop, wish: Result<Json<Wish>, JsonRejection>) -> Response {
    let wish = match wish {
        Ok(Json(wish)) => wish,
        Err(rejection) => return problem(rejection.status(), rejection.body_text()),
    };
    match with_database(shop, move |database| store::place(database, wish)).await {
        Ok(order) => (StatusCode::CREATED, Json(order)).into_response(),
        Err(response) => response,
    }
}

async fn order(shop: Shop, Path(id): Path<i64>) -> Response {
    match with_database(shop, move |database| Ok(store::order(database, id)?)).await {
        Ok(Some(order)) => Json(order).into_response(),
        Ok(None) => problem(StatusCode::NOT_FOUND, format!("there is no order {id}")),
        Err(response) => response,
    }
}

/// Does something with the database, away from the thread that answers.
async fn with_database<T: Send + 'static>(
    State(options): Shop,
    work: impl FnOnce(&mut Connection) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Response> {
    match wait(move || work(&mut store::open(&options.database)?)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(refusal)) => Err(refuse(refusal)),
        Err(text) => Err(problem(StatusCode::INTERNAL_SERVER_ERROR, text)),
    }
}

async fn wait<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}

fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Nothing => problem(StatusCode::BAD_REQUEST, "an order is for at least one".into()),
        Refusal::UnknownProduct => problem(StatusCode::NOT_FOUND, "there is no such product".into()),
        Refusal::OutOfStock(left) => problem(StatusCode::CONFLICT, format!("only {left} left")),
        Refusal::Database(error) => {
            eprintln!("error: {error}");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the database failed".into())
        }
    }
}

fn problem(code: StatusCode, text: String) -> Response {
    (code, Json(json!({ "problem": text }))).into_response()
}
