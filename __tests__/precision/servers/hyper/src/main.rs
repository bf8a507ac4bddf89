//! hyper with nothing around it: HTTP/1.1 and HTTP/2 on one port, WebSocket by hyper-tungstenite. Defaults everywhere.
use std::{convert::Infallible, env, error::Error, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};

type Body = BoxBody<Bytes, Infallible>;
type Failure = Box<dyn Error + Send + Sync>;

const INTERVAL: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().collect();
    let bind = arguments
        .iter()
        .position(|word| word == "-bind")
        .and_then(|at| arguments.get(at + 1))
        .map_or("127.0.0.1:0", String::as_str);
    let listener = TcpListener::bind(bind).await?;
    println!("ready addr={}", listener.local_addr()?);
    let begun = Instant::now();
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => { sleep(Duration::from_millis(50)).await; continue }
            },
            _ = terminate.recv() => return Ok(()),
        };
        tokio::spawn(async move {
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new());
            builder.http2().timer(TokioTimer::new());
            let service = service_fn(move |request| serve(request, begun));
            // A client that breaks the protocol ends its own connection, and no other.
            let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

async fn serve(mut request: Request<Incoming>, begun: Instant) -> Result<Response<Body>, Failure> {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/ws" => {
            if !hyper_tungstenite::is_upgrade_request(&request) {
                return answer(StatusCode::UPGRADE_REQUIRED, "text/plain", "WebSocket only")
                    .map(|mut answer| {
                        let fields = answer.headers_mut();
                        fields.insert("connection", "Upgrade".parse().expect("a token"));
                        fields.insert("upgrade", "websocket".parse().expect("a token"));
                        fields.insert("sec-websocket-version", "13".parse().expect("a number"));
                        answer
                    });
            }
            match hyper_tungstenite::upgrade(&mut request, None) {
                Ok((answer, socket)) => {
                    tokio::spawn(async move {
                        let Ok(mut socket) = socket.await else { return };
                        while let Some(Ok(message)) = socket.next().await {
                            if (message.is_text() || message.is_binary())
                                && socket.send(message).await.is_err()
                            {
                                return;
                            }
                        }
                    });
                    Ok(answer.map(|body| body.boxed()))
                }
                Err(_) => answer(StatusCode::BAD_REQUEST, "text/plain", "bad handshake"),
            }
        }
        "/echo" => echo(request).await,
        "/" | "/healthz" if reads(request.method()) => {
            answer(StatusCode::OK, "text/plain", "Hello, World!")
        }
        "/events" if reads(request.method()) => events(&request, begun),
        "/" | "/healthz" | "/events" => {
            answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET only").map(|mut answer| {
                answer.headers_mut().insert("allow", "GET, HEAD".parse().expect("a list"));
                answer
            })
        }
        _ => answer(StatusCode::NOT_FOUND, "text/plain", "not found"),
    }
}

fn reads(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn answer(status: StatusCode, kind: &str, text: impl Into<Bytes>) -> Result<Response<Body>, Failure> {
    let body = Full::new(text.into()).boxed();
    Ok(Response::builder().status(status).header("content-type", kind).body(body)?)
}

async fn echo(request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let (head, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return answer(StatusCode::BAD_REQUEST, "text/plain", "broken body"),
    };
    // A field value is bytes; each becomes the character of the same number.
    let latin1 = |bytes: &[u8]| bytes.iter().map(|&byte| byte as char).collect::<String>();
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), latin1(value.as_bytes())]))
        .collect();
    let seen = json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": headers,
        "body": STANDARD.encode(&body),
    });
    answer(StatusCode::OK, "application/json", seen.to_string())
}

/// Numbered events, five a second; the text follows from the number, and the number from the time.
fn events(request: &Request<Incoming>, begun: Instant) -> Result<Response<Body>, Failure> {
    let now = move || (begun.elapsed().as_millis() / INTERVAL.as_millis()) as u64;
    let sent = request
        .headers()
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .filter(|&id| id <= now())
        .unwrap_or_else(now);
    let body = stream::unfold((sent, true), move |(sent, first)| async move {
        if first {
            return Some((frame("retry: 1000\n\n".to_owned()), (sent, false)));
        }
        while now() <= sent {
            sleep(INTERVAL / 4).await;
        }
        let last = now().min(sent + 1000);
        let text = (sent + 1..=last)
            .map(|id| format!("id: {id}\nevent: tick\ndata: {{\"id\":{id}}}\n\n"))
            .collect();
        Some((frame(text), (last, false)))
    });
    let body = if request.method() == Method::HEAD {
        Full::new(Bytes::new()).boxed()
    } else {
        BodyExt::boxed(StreamBody::new(body))
    };
    Ok(Response::builder()
        .header("content-type", "text/event-stream")
        .header("cache-control", "no-store")
        .body(body)?)
}

fn frame(text: String) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(text.into()))
}
