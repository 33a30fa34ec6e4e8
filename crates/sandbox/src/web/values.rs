//! Arguments in, results out: the conversions that all operations share.

use super::MAX_TEXT;

/// The size of the largest typed array whose bytes V8 keeps in its own heap; those are copied to look at them.
pub(super) const IN_HEAP: usize = v8::TYPED_ARRAY_MAX_SIZE_IN_HEAP;

pub(super) fn throw_type_error(scope: &mut v8::PinScope<'_, '_>, message: &str) {
    if let Some(message) = v8::String::new(scope, message) {
        let error = v8::Exception::type_error(scope, message);
        scope.throw_exception(error);
    }
}

pub(super) fn throw_range_error(scope: &mut v8::PinScope<'_, '_>, message: &str) {
    if let Some(message) = v8::String::new(scope, message) {
        let error = v8::Exception::range_error(scope, message);
        scope.throw_exception(error);
    }
}

/// The argument as a string that is not too long; has thrown if `None`.
///
/// The length is looked at before the characters: a string made by `repeat` or `+` has none yet, and making them for
/// half a gigabyte would exhaust the heap here, where nothing can be caught.
pub(super) fn string_argument<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    index: i32,
) -> Option<v8::Local<'s, v8::String>> {
    bounded_string(scope, args, index, MAX_TEXT)
}

fn bounded_string<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    index: i32,
    most: usize,
) -> Option<v8::Local<'s, v8::String>> {
    let Ok(string) = v8::Local::<v8::String>::try_from(args.get(index)) else {
        throw_type_error(scope, "the argument must be a string");
        return None;
    };
    if string.length() > most {
        throw_range_error(scope, &format!("the text has {} characters, more than {most}", string.length()));
        return None;
    }
    Some(string)
}

/// The argument as text; has thrown if `None`. Lone surrogates become U+FFFD.
pub(super) fn text_argument<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    index: i32,
) -> Option<String> {
    bounded_text_argument(scope, args, index, MAX_TEXT)
}

/// The argument as text of at most `most` UTF-16 units; has thrown if `None`.
pub(super) fn bounded_text_argument<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    index: i32,
    most: usize,
) -> Option<String> {
    bounded_string(scope, args, index, most).map(|string| string.to_rust_string_lossy(scope))
}

/// The argument as a view on bytes that are not too many; has thrown if `None`.
pub(super) fn view_argument<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    index: i32,
) -> Option<v8::Local<'s, v8::ArrayBufferView>> {
    let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(args.get(index)) else {
        throw_type_error(scope, "the argument must be a view on an ArrayBuffer");
        return None;
    };
    if view.byte_length() > MAX_TEXT {
        throw_range_error(scope, &format!("the buffer has {} bytes, more than {MAX_TEXT}", view.byte_length()));
        return None;
    }
    Some(view)
}

/// Copies `bytes` to the beginning of the view, as far as they fit.
pub(super) fn fill<'s>(scope: &mut v8::PinScope<'s, '_>, view: v8::Local<'s, v8::ArrayBufferView>, bytes: &[u8]) {
    let Some(buffer) = view.buffer(scope) else { return };
    let store = buffer.get_backing_store();
    let start = view.byte_offset().min(store.len());
    let end = (start + view.byte_length()).min(store.len());
    for (cell, byte) in store[start..end].iter().zip(bytes) {
        cell.set(*byte);
    }
}

/// Text as a JavaScript string; has thrown if it is longer than V8 takes.
pub(super) fn new_string<'s>(scope: &mut v8::PinScope<'s, '_>, text: &str) -> Option<v8::Local<'s, v8::String>> {
    let string = v8::String::new(scope, text);
    if string.is_none() {
        throw_range_error(scope, "the text is too long for a string");
    }
    string
}

pub(super) fn return_string(scope: &mut v8::PinScope<'_, '_>, text: &str, rv: &mut v8::ReturnValue<'_>) {
    if let Some(string) = new_string(scope, text) {
        rv.set(string.into());
    }
}

pub(super) fn return_strings(scope: &mut v8::PinScope<'_, '_>, texts: &[&str], rv: &mut v8::ReturnValue<'_>) {
    let mut values = Vec::with_capacity(texts.len());
    for text in texts {
        let Some(string) = new_string(scope, text) else { return };
        values.push(string.into());
    }
    rv.set(v8::Array::new_with_elements(scope, &values).into());
}
