//! The rows of where secrets come from.

use super::Kind;
use super::table::kind;

/// A sealed file without its key.
pub static NO_KEY: Kind = kind(
    "secrets/no-key",
    422,
    "a sealed file and no key that opens it",
    "The sealed file of the project opens with the secret key of one of its recipients only. Put \
     the key into `POSTROOM_AGE_KEY`, name its file in `POSTROOM_AGE_KEY_FILE`, or lay it beside \
     the sealed file as `secrets.key`. A server does not start without it, because steps would \
     fail for want of their credentials.",
);

/// A sealed file that cannot be used.
pub static BAD_SEALED: Kind = kind(
    "secrets/bad-sealed",
    422,
    "a sealed file that cannot be used",
    "The file is not in the format of age, was cut off or changed, or what is inside does not \
     read. Inside stands one secret a name, its value in quotes; `postroom secrets edit` opens \
     it. Nothing of what is inside is shown here.",
);

/// A sealed file for nobody.
pub static NO_RECIPIENTS: Kind = kind(
    "secrets/no-recipients",
    422,
    "nobody is named for whom to seal",
    "A sealed file is written for the public keys in the file of recipients beside it, one a line. \
     Without any it could never be opened again, so nothing is written.",
);

/// A file of a secret that cannot be used.
pub static BAD_SECRET_FILE: Kind = kind(
    "secrets/bad-file",
    422,
    "a file of a secret that cannot be used",
    "A variable that ends in `_FILE`, or the folder of secrets, names a file that is not there, \
     cannot be read, is larger than 64 KiB, or is no text. A secret that is missing is told now \
     rather than by the first call that needs it.",
);

/// Vault does not answer.
pub static VAULT: Kind = kind(
    "secrets/vault",
    503,
    "Vault does not give the secrets",
    "Vault or OpenBao cannot be reached, does not accept the token or login, or has nothing at the \
     path. Runs whose credential may be there wait and spend no attempt; what was read before \
     stays in use. It is asked again every few seconds.",
);

/// Every row of this file.
pub(super) const SECRETS: &[&Kind] =
    &[&NO_KEY, &BAD_SEALED, &NO_RECIPIENTS, &BAD_SECRET_FILE, &VAULT];
