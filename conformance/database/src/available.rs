//! Which ways to a server this machine has, without starting one.

use std::path::PathBuf;

use crate::settings::Settings;
use crate::{DatabaseError, binaries, docker};

/// What a server could be started with here.
///
/// For listing tests: it takes milliseconds and changes nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Available {
    /// The Docker image, if an engine answers and has it, or else why not.
    ///
    /// An image that would have to be pulled counts as not there.
    pub docker: Result<String, String>,
    /// The directory of local binaries, or else why there is none.
    pub local: Result<PathBuf, String>,
}

/// Looks for a Docker image and for local binaries, under the same variables as [`crate::postgres`].
///
/// # Errors
///
/// When a variable has a value that cannot be followed.
pub async fn available() -> Result<Available, DatabaseError> {
    let settings = Settings::from_env()?;
    Ok(Available {
        docker: docker::has_image(&settings.image)
            .await
            .map(|()| settings.image.clone()),
        local: binaries::find(settings.bin.as_deref()),
    })
}
