//! TXT records by name: one query over UDP, or over TCP if the response is too long.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use schema::{
    error::{Error, Result},
    ports::Ids,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
};

/// Time limit per server.
const PATIENCE: Duration = Duration::from_millis(1_300);

/// The type TXT and the class IN.
const TXT: u16 = 16;
const IN: u16 = 1;

/// Maximum size of a UDP response, in bytes (EDNS): small enough for every path.
const DATAGRAM: u16 = 1_232;

/// The name servers of this machine, as `resolv.conf` names them.
pub(super) async fn servers() -> Vec<SocketAddr> {
    let text = tokio::fs::read_to_string("/etc/resolv.conf").await.unwrap_or_default();
    servers_in(&text)
}

pub(super) fn servers_in(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let addresses = servers.filter_map(|rest| rest.trim().parse::<IpAddr>().ok());
    let found: Vec<SocketAddr> = addresses.map(|address| SocketAddr::new(address, 53)).take(3).collect();
    if found.is_empty() { vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53)] } else { found }
}

/// Response of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Records(Vec<String>),
    /// Too long for UDP.
    Truncated,
    /// The server cannot answer.
    Failed,
}

/// The TXT records of a name; empty if the name does not exist. Errors: `Unavailable` if no server responds.
pub(super) async fn txt(servers: &[SocketAddr], name: &str, ids: &dyn Ids) -> Result<Vec<String>> {
    let [.., high, low] = ids.uuid().into_bytes();
    let id = u16::from_be_bytes([high, low]);
    let question =
        question(id, name).ok_or_else(|| Error::invalid("domain", "is too long for a TXT record named after it"))?;
    for server in servers {
        let asked = async {
            match over_udp(*server, &question, id).await? {
                Reply::Truncated => over_tcp(*server, &question, id).await,
                reply => Some(reply),
            }
        };
        if let Ok(Some(Reply::Records(records))) = tokio::time::timeout(PATIENCE, asked).await {
            return Ok(records);
        }
    }
    Err(super::silent("DNS"))
}

async fn over_udp(server: SocketAddr, question: &[u8], id: u16) -> Option<Reply> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    // Connected, so that packets from other hosts are ignored.
    socket.connect(server).await.ok()?;
    socket.send(question).await.ok()?;
    let mut answer = [0; DATAGRAM as usize];
    loop {
        let length = socket.recv(&mut answer).await.ok()?;
        // Responses to other queries are skipped.
        if let Some(reply) = answer.get(..length).and_then(|answer| read(answer, question, id)) {
            return Some(reply);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8], id: u16) -> Option<Reply> {
    let mut stream = TcpStream::connect(server).await.ok()?;
    let length = u16::try_from(question.len()).ok()?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await.ok()?;
    let mut answer = vec![0; usize::from(stream.read_u16().await.ok()?)];
    stream.read_exact(&mut answer).await.ok()?;
    match read(&answer, question, id)? {
        Reply::Truncated => None,
        reply => Some(reply),
    }
}

/// A query for TXT records; `None` for an invalid name.
pub(super) fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut bytes = id.to_be_bytes().to_vec();
    // Recursion desired; one question, one additional record.
    bytes.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    let start = bytes.len();
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        bytes.push(length);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    if bytes.len() - start > 255 {
        return None;
    }
    bytes.extend_from_slice(&TXT.to_be_bytes());
    bytes.extend_from_slice(&IN.to_be_bytes());
    // EDNS: how long an answer may be.
    bytes.extend_from_slice(&[0, 0, 41]);
    bytes.extend_from_slice(&DATAGRAM.to_be_bytes());
    bytes.extend_from_slice(&[0; 6]);
    Some(bytes)
}

/// Parses a response to the query; `None` if it is invalid. No input can cause a panic or an endless loop: names are
/// skipped, never followed.
pub(super) fn read(answer: &[u8], question: &[u8], id: u16) -> Option<Reply> {
    let mut at = Reading { bytes: answer, at: 0 };
    let (their_id, flags) = (at.number()?, at.number()?);
    let (questions, answers) = (at.number()?, at.number()?);
    at.skip(4)?;
    if their_id != id || flags & 0x8000 == 0 || questions != 1 {
        return None;
    }
    // The question comes back as it was sent, letter case aside.
    let asked = question.get(12..question.len().checked_sub(11)?)?;
    if !at.take(asked.len())?.eq_ignore_ascii_case(asked) {
        return None;
    }
    match flags & 0xf {
        _ if flags & 0x0200 != 0 => return Some(Reply::Truncated),
        // No such name.
        3 => return Some(Reply::Records(Vec::new())),
        0 => {}
        _ => return Some(Reply::Failed),
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        at.skip_name()?;
        let (kind, class) = (at.number()?, at.number()?);
        at.skip(4)?;
        let length = usize::from(at.number()?);
        let data = at.take(length)?;
        if kind == TXT && class == IN {
            records.push(text_of(data));
        }
    }
    Some(Reply::Records(records))
}

/// The strings of a TXT record, joined.
fn text_of(data: &[u8]) -> String {
    let mut at = Reading { bytes: data, at: 0 };
    let mut text = Vec::with_capacity(data.len());
    while let Some(part) = at.byte().and_then(|length| at.take(usize::from(length))) {
        text.extend_from_slice(part);
    }
    String::from_utf8_lossy(&text).into_owned()
}

struct Reading<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reading<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(drop)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.byte()? {
                0 => return Some(()),
                // A pointer ends a name.
                length if length >= 0xc0 => return self.skip(1),
                length if length < 0x40 => self.skip(usize::from(length))?,
                _ => return None,
            }
        }
    }
}
