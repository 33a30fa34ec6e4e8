//! What kind of object a value is by V8's own slots, which no script can fake.

/// The number of the value's kind; `KIND_…` in `prelude/05-ops.js`.
pub(super) fn kind(value: v8::Local<'_, v8::Value>) -> i32 {
    if !value.is_object() {
        return 0;
    }
    // A proxy answers none of the questions below, but a proxy of an array passes for one in JavaScript.
    if value.is_proxy() {
        return 14;
    }
    if value.is_array() {
        return 1;
    }
    if value.is_date() {
        return 2;
    }
    if value.is_reg_exp() {
        return 3;
    }
    if value.is_map() {
        return 4;
    }
    if value.is_set() {
        return 5;
    }
    if value.is_array_buffer() {
        return 6;
    }
    if value.is_typed_array() {
        return 7;
    }
    if value.is_data_view() {
        return 8;
    }
    if value.is_native_error() {
        return 9;
    }
    if value.is_boolean_object() {
        return 10;
    }
    if value.is_number_object() {
        return 11;
    }
    if value.is_string_object() {
        return 12;
    }
    if value.is_big_int_object() {
        return 13;
    }
    let has_uncloneable_slot = value.is_symbol_object()
        || value.is_function()
        || value.is_promise()
        || value.is_weak_map()
        || value.is_weak_set()
        || value.is_shared_array_buffer()
        || value.is_generator_object()
        || value.is_map_iterator()
        || value.is_set_iterator()
        || value.is_wasm_memory_object()
        || value.is_wasm_module_object();
    if has_uncloneable_slot { 15 } else { 0 }
}
