//! A mail server for tests, and an installation that sends its mail there.

use footfall::config::mail::MailTls;
use reqwest::{Method, StatusCode};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    sync::mpsc,
};

use crate::app::TestApp;

/// A mail as a server receives it.
pub struct Received {
    pub to: String,
    pub login: Option<String>,
    pub data: String,
}

/// A mail server. Answers its port and what it receives.
pub async fn mail_server() -> (u16, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (received, mails) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let received = received.clone();
            tokio::spawn(async move {
                let (reader, mut writer) = stream.into_split();
                let mut lines = BufReader::new(reader).lines();
                writer.write_all(b"220 mail.example ready\r\n").await.unwrap();
                let mut mail = Received { to: String::new(), login: None, data: String::new() };
                while let Ok(Some(line)) = lines.next_line().await {
                    let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
                    let answer: &[u8] = match word {
                        "EHLO" => b"250-mail.example\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1000000\r\n",
                        "AUTH" => {
                            mail.login = Some(rest.to_owned());
                            b"235 welcome\r\n"
                        }
                        "MAIL" => b"250 ok\r\n",
                        "RCPT" => {
                            mail.to = rest.to_owned();
                            b"250 ok\r\n"
                        }
                        "DATA" => {
                            writer.write_all(b"354 go on\r\n").await.unwrap();
                            while let Ok(Some(line)) = lines.next_line().await {
                                if line == "." {
                                    break;
                                }
                                mail.data.push_str(line.strip_prefix('.').unwrap_or(&line));
                                mail.data.push('\n');
                            }
                            b"250 taken\r\n"
                        }
                        "QUIT" => b"221 bye\r\n",
                        _ => b"500 what?\r\n",
                    };
                    writer.write_all(answer).await.unwrap();
                    if word == "QUIT" {
                        let _ = received.send(mail);
                        break;
                    }
                }
            });
        }
    });
    (port, mails)
}

pub async fn with_mail(page: Option<&str>) -> (TestApp, mpsc::UnboundedReceiver<Received>) {
    let (port, mails) = mail_server().await;
    let app = TestApp::with(|flags| {
        flags.mail_host = Some("127.0.0.1".to_owned());
        flags.mail_port = Some(port);
        flags.mail_tls = Some(MailTls::None);
        flags.mail_user = Some("footfall".to_owned());
        flags.mail_password = Some("of the mail server".to_owned());
        flags.mail_from = Some("footfall@shop.example".to_owned());
        flags.mail_reset_page = page.map(str::to_owned);
    })
    .await;
    (app, mails)
}

/// The secret in a mail: the only word of 48 letters and digits.
pub fn secret(mail: &Received) -> String {
    let mut words = mail.data.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.find(|word| word.len() == 48).unwrap_or_else(|| panic!("{}", mail.data)).to_owned()
}

/// What a mail server has received and no test has read yet.
pub struct Mailbox {
    mails: mpsc::UnboundedReceiver<Received>,
    unread: Vec<Received>,
}

impl Mailbox {
    pub fn new(mails: mpsc::UnboundedReceiver<Received>) -> Self {
        Self { mails, unread: Vec::new() }
    }

    /// The first unread mail to an address that holds a phrase. Waits for it.
    pub async fn read(&mut self, address: &str, phrase: &str) -> Received {
        let to = format!("TO:<{address}>");
        loop {
            let found = self.unread.iter().position(|mail| mail.to == to && mail.data.contains(phrase));
            if let Some(index) = found {
                return self.unread.remove(index);
            }
            self.unread.push(self.mails.recv().await.unwrap());
        }
    }
}

/// The path and query of the link to a page in a mail.
pub fn link(mail: &Received, page: &str) -> String {
    let at = mail.data.find(page).unwrap_or_else(|| panic!("no {page} in {}", mail.data));
    mail.data[at..].split_whitespace().next().unwrap().to_owned()
}

/// Sends a form as a browser does.
pub async fn submit(app: &TestApp, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    let request = app.anon().request(Method::POST, path);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(pairs.join("&"));
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}
