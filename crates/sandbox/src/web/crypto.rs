//! `crypto`: random bytes, digests and HMAC.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::values::{IN_HEAP, fill, return_string, throw_type_error, view_argument};

/// `(view)`: fills it with random bytes of the operating system. The prelude holds calls to 65,536 bytes.
pub(super) fn random_fill<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    _rv: &mut v8::ReturnValue<'_>,
) {
    let Some(view) = view_argument(scope, args, 1) else { return };
    let mut bytes = vec![0; view.byte_length()];
    if getrandom::fill(&mut bytes).is_err() {
        throw_type_error(scope, "the system gave no random bytes");
        return;
    }
    fill(scope, view, &bytes);
}

/// `() → text`: a random UUID (RFC 9562, version 4)
pub(super) fn random_uuid<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    _args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        throw_type_error(scope, "the system gave no random bytes");
        return;
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    return_string(scope, &text, rv);
}

/// `(hash, data, out)`: fills `out` with the digest; the hashes' numbers stand in `prelude/45-crypto.js`.
pub(super) fn digest<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    _rv: &mut v8::ReturnValue<'_>,
) {
    let hash = args.get(1).uint32_value(scope).unwrap_or_default();
    let (Some(data), Some(out)) = (view_argument(scope, args, 2), view_argument(scope, args, 3)) else { return };
    let mut storage = [0; IN_HEAP];
    let data = data.get_contents(&mut storage);
    let result = match hash {
        1 => Sha1::digest(data).to_vec(),
        2 => Sha256::digest(data).to_vec(),
        3 => Sha384::digest(data).to_vec(),
        4 => Sha512::digest(data).to_vec(),
        _ => return throw_type_error(scope, "the hash is unknown"),
    };
    fill(scope, out, &result);
}

/// `(hash, key, data, out)`: fills `out` with the authentication code.
pub(super) fn hmac_sign<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    _rv: &mut v8::ReturnValue<'_>,
) {
    let Some(out) = view_argument(scope, args, 4) else { return };
    if let Some(code) = with_key_and_data(scope, args, Sign) {
        fill(scope, out, &code);
    }
}

/// `(hash, key, data, signature) → bool`, in constant time
pub(super) fn hmac_verify<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Some(signature) = view_argument(scope, args, 4) else { return };
    let mut storage = [0; IN_HEAP];
    let signature = signature.get_contents(&mut storage);
    if let Some(is_right) = with_key_and_data(scope, args, Verify(signature)) {
        rv.set_bool(is_right);
    }
}

/// What is done with the code once key and data are in.
trait Finish {
    type Output;
    fn finish(self, mac: impl Mac) -> Self::Output;
}

struct Sign;

impl Finish for Sign {
    type Output = Vec<u8>;
    fn finish(self, mac: impl Mac) -> Vec<u8> {
        mac.finalize().into_bytes().to_vec()
    }
}

struct Verify<'a>(&'a [u8]);

impl Finish for Verify<'_> {
    type Output = bool;
    fn finish(self, mac: impl Mac) -> bool {
        mac.verify_slice(self.0).is_ok()
    }
}

fn with_key_and_data<'s, F: Finish>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    finish: F,
) -> Option<F::Output> {
    let hash = args.get(1).uint32_value(scope).unwrap_or_default();
    let (key, data) = (view_argument(scope, args, 2)?, view_argument(scope, args, 3)?);
    let (mut key_storage, mut data_storage) = ([0; IN_HEAP], [0; IN_HEAP]);
    let (key, data) = (key.get_contents(&mut key_storage), data.get_contents(&mut data_storage));
    let result = match hash {
        1 => run::<Hmac<Sha1>, F>(key, data, finish),
        2 => run::<Hmac<Sha256>, F>(key, data, finish),
        3 => run::<Hmac<Sha384>, F>(key, data, finish),
        4 => run::<Hmac<Sha512>, F>(key, data, finish),
        _ => None,
    };
    if result.is_none() {
        throw_type_error(scope, "the hash is unknown");
    }
    result
}

fn run<M: Mac + KeyInit, F: Finish>(key: &[u8], data: &[u8], finish: F) -> Option<F::Output> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    mac.update(data);
    Some(finish.finish(mac))
}
