//! `URL` and `URLSearchParams`: parsing, the parts, the setters and form encoding.

use url::{Url, form_urlencoded, quirks};

use super::values::{
    bounded_text_argument, new_string, return_string, return_strings, throw_range_error, throw_type_error,
};

/// UTF-16 units of a URL or form: percent-encoding can make nine bytes of one, and the result has to fit into the heap.
const MAX_URL: usize = 1 << 22;

/// Names with values in one form.
const MAX_PAIRS: usize = 1 << 18;

/// `(input, base | undefined) → href | undefined`
pub(super) fn parse<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Some(input) = bounded_text_argument(scope, args, 1, MAX_URL) else { return };
    let url = if args.get(2).is_undefined() {
        Url::parse(&input)
    } else {
        let Some(base) = bounded_text_argument(scope, args, 2, MAX_URL) else { return };
        Url::parse(&base).and_then(|base| base.join(&input))
    };
    if let Ok(url) = url {
        return_string(scope, url.as_str(), rv);
    }
}

/// `(href) → [protocol, username, password, host, hostname, port, pathname, search, hash, origin]`
pub(super) fn parts<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Some(url) = parsed_argument(scope, args) else { return };
    let parts = [
        quirks::protocol(&url),
        quirks::username(&url),
        quirks::password(&url),
        quirks::host(&url),
        quirks::hostname(&url),
        quirks::port(&url),
        quirks::pathname(&url),
        quirks::search(&url),
        quirks::hash(&url),
        &quirks::origin(&url),
    ];
    return_strings(scope, &parts, rv);
}

/// `(href, part, value) → href`: what the setter of that part makes of the URL; the numbers are those of [`parts`].
pub(super) fn set<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Some(mut url) = parsed_argument(scope, args) else { return };
    let part = args.get(2).uint32_value(scope).unwrap_or(u32::MAX);
    let Some(value) = bounded_text_argument(scope, args, 3, MAX_URL) else { return };
    // A value that does not fit leaves the URL as it is: the standard's setters never fail.
    let _ = match part {
        0 => quirks::set_protocol(&mut url, &value),
        1 => quirks::set_username(&mut url, &value),
        2 => quirks::set_password(&mut url, &value),
        3 => quirks::set_host(&mut url, &value),
        4 => quirks::set_hostname(&mut url, &value),
        5 => quirks::set_port(&mut url, &value),
        6 => {
            quirks::set_pathname(&mut url, &value);
            Ok(())
        }
        7 => {
            quirks::set_search(&mut url, &value);
            Ok(())
        }
        8 => {
            quirks::set_hash(&mut url, &value);
            Ok(())
        }
        _ => Err(()),
    };
    return_string(scope, url.as_str(), rv);
}

fn parsed_argument<'s>(scope: &mut v8::PinScope<'s, '_>, args: &v8::FunctionCallbackArguments<'s>) -> Option<Url> {
    let href = bounded_text_argument(scope, args, 1, MAX_URL)?;
    let url = Url::parse(&href).ok();
    if url.is_none() {
        throw_type_error(scope, "Invalid URL");
    }
    url
}

/// `(text) → [name, value, name, value, …]`, from `application/x-www-form-urlencoded`
pub(super) fn form_parse<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Some(text) = bounded_text_argument(scope, args, 1, MAX_URL) else { return };
    let mut values = Vec::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        if values.len() >= 2 * MAX_PAIRS {
            throw_range_error(scope, &format!("the form has more than {MAX_PAIRS} names"));
            return;
        }
        let (Some(name), Some(value)) = (new_string(scope, &name), new_string(scope, &value)) else { return };
        values.push(name.into());
        values.push(value.into());
    }
    rv.set(v8::Array::new_with_elements(scope, &values).into());
}

/// `([name, value, name, value, …]) → text`, as `application/x-www-form-urlencoded`
pub(super) fn form_serialize<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let Ok(list) = v8::Local::<v8::Array>::try_from(args.get(1)) else {
        throw_type_error(scope, "the argument must be a list");
        return;
    };
    let mut form = form_urlencoded::Serializer::new(String::new());
    let mut room = MAX_URL;
    let mut index = 0;
    while index + 1 < list.length() {
        let mut text = |index| {
            let item = list.get_index(scope, index)?;
            let item = v8::Local::<v8::String>::try_from(item).ok()?;
            // The same long string may be in the list many times.
            room = room.checked_sub(item.length())?;
            Some(item.to_rust_string_lossy(scope))
        };
        let (Some(name), Some(value)) = (text(index), text(index + 1)) else {
            throw_range_error(scope, &format!("the form is longer than {MAX_URL} characters"));
            return;
        };
        form.append_pair(&name, &value);
        index += 2;
    }
    return_string(scope, &form.finish(), rv);
}
