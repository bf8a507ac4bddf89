//! actix-web with its defaults: HTTP/1.1 and HTTP/2 in clear on one port, WebSocket by actix-ws.
use std::{
    convert::Infallible,
    env,
    time::{Duration, Instant},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, web};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::time::sleep;

const INTERVAL: Duration = Duration::from_millis(200);

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let bind = arguments
        .iter()
        .position(|word| word == "-bind")
        .and_then(|at| arguments.get(at + 1))
        .map_or("127.0.0.1:0", String::as_str);
    let begun = web::Data::new(Instant::now());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(begun.clone())
            .app_data(web::PayloadConfig::new(8 << 20))
            .service(readable("/").route(web::get().to(hello)).route(web::head().to(hello)))
            .service(readable("/healthz").route(web::get().to(hello)).route(web::head().to(hello)))
            .service(readable("/events").route(web::get().to(events)).route(web::head().to(events)))
            .service(web::resource("/echo").to(echo))
            .service(web::resource("/ws").route(web::get().to(sockets)))
    })
    .workers(2)
    .shutdown_timeout(2)
    .bind_auto_h2c(bind)?;
    println!("ready addr={}", server.addrs()[0]);
    server.run().await
}

fn readable(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(|| async {
        HttpResponse::MethodNotAllowed().insert_header(("allow", "GET, HEAD")).finish()
    }))
}

async fn hello() -> impl Responder {
    HttpResponse::Ok().content_type("text/plain").body("Hello, World!")
}

async fn echo(request: HttpRequest, body: web::Bytes) -> impl Responder {
    // A field value is bytes; each becomes the character of the same number.
    let latin1 = |bytes: &[u8]| bytes.iter().map(|&byte| byte as char).collect::<String>();
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), latin1(value.as_bytes())]))
        .collect();
    HttpResponse::Ok().json(json!({
        "method": request.method().as_str(),
        "target": request.uri().to_string(),
        "headers": headers,
        "body": STANDARD.encode(&body),
    }))
}

async fn sockets(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let (answer, mut session, messages) = actix_ws::handle(&request, body)?;
    let mut messages = messages.max_frame_size(16 << 20).aggregate_continuations().max_continuation_size(16 << 20);
    actix_web::rt::spawn(async move {
        use actix_ws::AggregatedMessage::{Binary, Close, Ping, Pong, Text};
        let reason = loop {
            let done = match messages.next().await {
                Some(Ok(Text(text))) => session.text(text).await,
                Some(Ok(Binary(bytes))) => session.binary(bytes).await,
                Some(Ok(Ping(bytes))) => session.pong(&bytes).await,
                Some(Ok(Pong(_))) => Ok(()),
                Some(Ok(Close(reason))) => break reason,
                Some(Err(_)) => break Some(actix_ws::CloseCode::Protocol.into()),
                None => return,
            };
            if done.is_err() {
                return;
            }
        };
        let _ = session.close(reason).await;
    });
    Ok(answer)
}

/// Numbered events, five a second; the text follows from the number, and the number from the time.
async fn events(request: HttpRequest, begun: web::Data<Instant>) -> impl Responder {
    let begun = **begun;
    let now = move || (begun.elapsed().as_millis() / INTERVAL.as_millis()) as u64;
    let sent = request
        .headers()
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .filter(|&id| id <= now())
        .unwrap_or_else(now);
    let body = stream::unfold((sent, true), move |(sent, first)| async move {
        if first {
            return Some((Ok::<_, Infallible>(Bytes::from("retry: 1000\n\n")), (sent, false)));
        }
        while now() <= sent {
            sleep(INTERVAL / 4).await;
        }
        let last = now().min(sent + 1000);
        let text: String = (sent + 1..=last)
            .map(|id| format!("id: {id}\nevent: tick\ndata: {{\"id\":{id}}}\n\n"))
            .collect();
        Some((Ok(Bytes::from(text)), (last, false)))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .streaming(body)
}
