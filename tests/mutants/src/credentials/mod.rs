//! Mutants of the credentials port.

use portproof::mutants::Mutant;
use portproof_ports::{CredentialStore, Ports};

use crate::edits::{Edits, common};

mod lists;
mod records;
mod secrets;
mod uses;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let edits = Edits::<dyn CredentialStore>::new(|ports| &mut ports.credentials).common(&common!(
        "credentials",
        "list_of",
        "keeps_credentials"
    ));
    let edits = uses::uses(secrets::secrets(records::records(edits)));
    lists::policies(lists::lists(edits)).done()
}
