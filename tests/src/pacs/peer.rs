//! An application entity that takes C-STORE and C-ECHO, and does what it is told to. It keeps every data set it is given.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dicom_ul::association::ServerAssociationOptions;
use dicom_ul::association::server::ServerAssociation;
use dicom_ul::pdu::{
    AssociationRJ, AssociationRJResult, AssociationRJServiceUserReason, AssociationRJSource, PDataValue,
    PDataValueType, Pdu, write_pdu,
};

/// What it does with the associations to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Keeps the data set and answers with this status.
    Status(u16),
    /// Keeps nothing and answers with this status.
    Refuse(u16),
    /// Rejects the association: this caller is not known.
    Reject,
    /// Rejects the association for now.
    RejectForNow,
    /// Takes no presentation context but that of C-ECHO.
    OtherClasses,
    /// Keeps the data set and closes the connection without an answer.
    AnswerLost,
    /// Aborts when the data set is whole, and keeps nothing.
    Abort,
    /// Answers a command that was never asked.
    OtherAnswer,
    /// Answers with bytes that are no command.
    Garbage,
    /// Takes the data set and is silent.
    Hang,
}

#[derive(Debug)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    kept: Mutex<BTreeMap<String, Vec<Vec<u8>>>>,
    is_over: AtomicBool,
}

/// A running application entity; it stops when it is dropped.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Its AE title.
    pub const TITLE: &str = "PACS";

    /// Listens on a free port of this machine.
    ///
    /// # Panics
    /// Where there is none.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Behaviour::Status(0)),
            kept: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&serving);
                // An association that breaks is the caller's business.
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *lock(&self.shared.behaviour) = behaviour;
    }

    /// The data sets it kept, by SOP Instance UID.
    pub fn kept(&self) -> BTreeMap<String, Vec<Vec<u8>>> {
        lock(&self.shared.kept).clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the listening thread.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

type Broken = Box<dyn std::error::Error>;

fn serve(mut stream: TcpStream, shared: &Shared) -> Result<(), Broken> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let behaviour = *lock(&shared.behaviour);
    if matches!(behaviour, Behaviour::Reject | Behaviour::RejectForNow) {
        let result = match behaviour {
            Behaviour::RejectForNow => AssociationRJResult::Transient,
            _ => AssociationRJResult::Permanent,
        };
        let mut head = [0; 6];
        std::io::Read::read_exact(&mut stream, &mut head)?;
        let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
        std::io::copy(&mut std::io::Read::take(&mut stream, u64::from(length)), &mut std::io::sink())?;
        let reason = AssociationRJServiceUserReason::CallingAETitleNotRecognized;
        let source = AssociationRJSource::ServiceUser(reason);
        write_pdu(&mut stream, &Pdu::AssociationRJ(AssociationRJ { result, source }))?;
        return Ok(());
    }
    let options = ServerAssociationOptions::new().accept_any().ae_title(Peer::TITLE);
    let mut association = if behaviour == Behaviour::OtherClasses {
        options.with_abstract_syntax("1.2.840.10008.1.1").establish(stream)?
    } else {
        options.promiscuous(true).establish(stream)?
    };
    let (mut command, mut dataset) = (Vec::new(), Vec::new());
    loop {
        match association.receive()? {
            Pdu::PData { data } => {
                for value in data {
                    let into =
                        if value.value_type == PDataValueType::Command { &mut command } else { &mut dataset };
                    into.extend_from_slice(&value.data);
                    let is_whole = value.is_last
                        && (value.value_type == PDataValueType::Data
                            || number(&command, 0x0800) == Some(0x0101));
                    if is_whole
                        && !answer(
                            &mut association,
                            value.presentation_context_id,
                            &command,
                            &dataset,
                            behaviour,
                            shared,
                        )?
                    {
                        return Ok(());
                    }
                }
            }
            Pdu::ReleaseRQ => {
                association.send(&Pdu::ReleaseRP)?;
                return Ok(());
            }
            _ => return Ok(()),
        }
    }
}

/// Answers a whole command; false where the association ends with it.
fn answer(
    association: &mut ServerAssociation<TcpStream>,
    context: u8,
    command: &[u8],
    dataset: &[u8],
    behaviour: Behaviour,
    shared: &Shared,
) -> Result<bool, Broken> {
    if let Some(uid) = value(command, 0x1000)
        && matches!(behaviour, Behaviour::Status(_) | Behaviour::AnswerLost)
    {
        let uid = String::from_utf8_lossy(uid).trim_end_matches('\0').to_owned();
        lock(&shared.kept).entry(uid).or_default().push(dataset.to_vec());
    }
    let field = number(command, 0x0100).unwrap_or_default() | 0x8000;
    let bytes = match behaviour {
        Behaviour::Status(status) | Behaviour::Refuse(status) => response(field, status),
        Behaviour::OtherAnswer => response(0x8FFF, 0),
        Behaviour::Garbage => vec![0xFF; 64],
        Behaviour::AnswerLost | Behaviour::Reject | Behaviour::RejectForNow | Behaviour::OtherClasses => {
            return Ok(false);
        }
        Behaviour::Hang => {
            thread::sleep(Duration::from_secs(2));
            return Ok(false);
        }
        Behaviour::Abort => {
            let source = dicom_ul::pdu::AbortRQSource::ServiceUser;
            association.send(&Pdu::AbortRQ { source })?;
            return Ok(false);
        }
    };
    let value = PDataValue {
        presentation_context_id: context,
        value_type: PDataValueType::Command,
        is_last: true,
        data: bytes,
    };
    association.send(&Pdu::PData { data: vec![value] })?;
    Ok(true)
}

/// The value of an element of a command set (implicit VR little endian).
fn value(mut set: &[u8], element: u16) -> Option<&[u8]> {
    while set.len() >= 8 {
        let length = usize::try_from(u32::from_le_bytes([set[4], set[5], set[6], set[7]])).ok()?;
        let value = set.get(8..8 + length)?;
        if u16::from_le_bytes([set[2], set[3]]) == element {
            return Some(value);
        }
        set = &set[8 + length..];
    }
    None
}

fn number(set: &[u8], element: u16) -> Option<u16> {
    Some(u16::from_le_bytes(value(set, element)?.try_into().ok()?))
}

fn response(field: u16, status: u16) -> Vec<u8> {
    let numbers = [(0x0100, field), (0x0120, 1), (0x0800, 0x0101), (0x0900, status)];
    let mut set = Vec::new();
    for (element, number) in numbers {
        set.extend_from_slice(&[0, 0]);
        set.extend_from_slice(&u16::to_le_bytes(element));
        set.extend_from_slice(&[2, 0, 0, 0]);
        set.extend_from_slice(&u16::to_le_bytes(number));
    }
    let length = u32::try_from(set.len()).unwrap_or(0);
    [[0, 0, 0, 0, 4, 0, 0, 0].as_slice(), &length.to_le_bytes(), &set].concat()
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
