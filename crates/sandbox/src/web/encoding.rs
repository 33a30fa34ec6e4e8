//! `TextEncoder` and `TextDecoder`: UTF-8 out, every encoding of the standard in.

use std::collections::HashMap;

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use super::values::{
    IN_HEAP, fill, return_string, string_argument, text_argument, throw_range_error, throw_type_error, view_argument,
};

/// Decoders of streams under way in encodings that keep a state of their own (the East Asian ones; the prelude holds
/// what is left of a character in the others).
///
/// A stream that is never ended stays here until the isolate goes: weak handles are not to be had on shared isolates.
/// So there is a limit.
#[derive(Default)]
pub(super) struct StreamingDecoders {
    by_id: HashMap<u32, Decoder>,
    last_id: u32,
}

const MAX_STREAMS: usize = 1_000;

/// `(text) → bytes of its UTF-8`
pub(super) fn utf8_length<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Some(text) = string_argument(scope, args, 1) else { return };
    rv.set_double(text.utf8_length(scope) as f64);
}

/// `(text, view) → UTF-16 units read · 2^28 + bytes written`, of whole characters as far as they fit
pub(super) fn utf8_write<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Some(text) = string_argument(scope, args, 1) else { return };
    let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(args.get(2)) else {
        throw_type_error(scope, "the argument must be a view on an ArrayBuffer");
        return;
    };
    let mut bytes = vec![0; text.utf8_length(scope).min(view.byte_length())];
    let mut read = 0;
    let written = text.write_utf8_v2(scope, &mut bytes, v8::WriteFlags::kReplaceInvalidUtf8, Some(&mut read));
    fill(scope, view, &bytes[..written]);
    rv.set_double(read as f64 * f64::from(1 << 28) + written as f64);
}

/// `(label) → name in lower case | undefined`
pub(super) fn encoding_of_label<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Some(label) = text_argument(scope, args, 1) else { return };
    if let Some(encoding) = Encoding::for_label(label.as_bytes()) {
        return_string(scope, &encoding.name().to_ascii_lowercase(), rv);
    }
}

/// `(encoding, view, fatal) → text | undefined`: the whole of it, no byte order mark looked for, undefined if malformed
/// and fatal. The encoding `latin1` is ISO 8859-1 itself, not the windows-1252 that the standard means by that label.
pub(super) fn decode<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Some(name) = text_argument(scope, args, 1) else { return };
    let Some(view) = view_argument(scope, args, 2) else { return };
    let fatal = args.get(3).is_true();
    let mut storage = [0; IN_HEAP];
    let bytes = view.get_contents(&mut storage);
    if name == "latin1" || bytes.is_ascii() && is_ascii_superset(&name) {
        match v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal) {
            Some(text) => rv.set(text.into()),
            None => throw_range_error(scope, "the text is too long for a string"),
        }
        return;
    }
    let Some(encoding) = Encoding::for_label(name.as_bytes()) else {
        throw_type_error(scope, "the encoding is unknown");
        return;
    };
    if fatal {
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
            return_string(scope, &text, rv);
        }
    } else {
        let (text, _) = encoding.decode_without_bom_handling(bytes);
        return_string(scope, &text, rv);
    }
}

fn is_ascii_superset(name: &str) -> bool {
    name == "utf-8" || Encoding::for_label(name.as_bytes()).is_some_and(|it| it == UTF_8 || it.is_single_byte())
}

/// `(encoding) → id` of a decoder to push bytes through
pub(super) fn decoder_new<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Some(name) = text_argument(scope, args, 1) else { return };
    let Some(encoding) = Encoding::for_label(name.as_bytes()) else {
        throw_type_error(scope, "the encoding is unknown");
        return;
    };
    let decoders = &mut super::state(scope).decoders;
    if decoders.by_id.len() >= MAX_STREAMS {
        throw_range_error(scope, &format!("more than {MAX_STREAMS} streams are being decoded"));
        return;
    }
    decoders.last_id += 1;
    let id = decoders.last_id;
    decoders.by_id.insert(id, encoding.new_decoder_without_bom_handling());
    rv.set_uint32(id);
}

/// `(id, view, fatal, last) → text | undefined`: undefined if malformed and fatal. The decoder is gone after the last
/// piece and after a failure.
pub(super) fn decoder_push<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let id = args.get(1).uint32_value(scope).unwrap_or_default();
    let Some(view) = view_argument(scope, args, 2) else { return };
    let fatal = args.get(3).is_true();
    let last = args.get(4).is_true();
    let Some(mut decoder) = super::state(scope).decoders.by_id.remove(&id) else {
        throw_type_error(scope, "the decoder is gone");
        return;
    };
    let mut storage = [0; IN_HEAP];
    let bytes = view.get_contents(&mut storage);
    let Some(text) = push(&mut decoder, bytes, fatal, last) else { return };
    if !last {
        super::state(scope).decoders.by_id.insert(id, decoder);
    }
    return_string(scope, &text, rv);
}

fn push(decoder: &mut Decoder, bytes: &[u8], fatal: bool, last: bool) -> Option<String> {
    // The need that is worst for the encoding, so that the output is never full.
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(bytes.len())?);
    if fatal {
        match decoder.decode_to_string_without_replacement(bytes, &mut text, last) {
            (DecoderResult::InputEmpty, _) => Some(text),
            _ => None,
        }
    } else {
        let _ = decoder.decode_to_string(bytes, &mut text, last);
        Some(text)
    }
}
