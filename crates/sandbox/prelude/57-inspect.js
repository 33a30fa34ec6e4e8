// Values as text, for the log and for errors. It takes anything, calls no getter of plain objects, and stops when the
// text is long enough: a line of the log must not cost a plugin its time.

const loadInspect = once(() => {
  const MAX_DEPTH = 3;
  const MAX_ITEMS = 100;

  function inspect(value) {
    try {
      return inspectAt(value, 0, { __proto__: null, left: MAX_TEXT, parents: [] });
    } catch {
      return '[cannot be shown]';
    }
  }

  /** What `console.log` makes of its arguments (https://console.spec.whatwg.org/#formatter). */
  function formatted(values) {
    let line = '';
    let next = 0;
    if (values.length > 1 && typeof values[0] === 'string') {
      next = 1;
      const parts = StringPrototypeSplit(values[0], '%');
      line = parts[0];
      for (let i = 1; i < parts.length; i++) {
        const part = parts[i];
        if (part === '' && i + 1 < parts.length) {
          i += 1;
          line += `%${parts[i]}`;
          continue;
        }
        const shown = part !== '' && next < values.length ? substituted(part[0], values[next]) : undefined;
        if (shown === undefined) {
          line += `%${part}`;
        } else {
          next += 1;
          line += shown + StringPrototypeSlice(part, 1);
        }
      }
    }
    for (let i = next; i < values.length && line.length <= MAX_TEXT; i++) {
      if (i > 0) line += ' ';
      line += typeof values[i] === 'string' ? values[i] : inspect(values[i]);
    }
    return shortened(line);
  }

  function substituted(specifier, value) {
    switch (specifier) {
      case 's': return typeof value === 'string' ? value : inspect(value);
      case 'd':
      case 'i': return typeof value === 'symbol' ? 'NaN' : `${MathTrunc(+inspectable(value))}`;
      case 'f': return typeof value === 'symbol' ? 'NaN' : `${+inspectable(value)}`;
      case 'j':
      case 'o':
      case 'O': return inspect(value);
      case 'c': return '';
      default: return undefined;
    }
  }

  // Numbers of objects and bigints would call into the plugin, or throw.
  function inspectable(value) {
    return typeof value === 'bigint' ? `${value}` : isObject(value) ? NaN : value;
  }

  function inspectAt(value, depth, state) {
    if (state.left <= 0) return '…';
    const text = inspectValue(value, depth, state);
    // Of containers, what is in them has been counted.
    if (!isObject(value)) state.left -= text.length;
    return text;
  }

  function inspectValue(value, depth, state) {
    switch (typeof value) {
      case 'string': return depth === 0 ? value : JSONStringify(shortened(value));
      case 'number': return ObjectIs(value, -0) ? '-0' : `${value}`;
      case 'bigint': return `${value}n`;
      case 'symbol': return String(value);
      case 'function': return `[function ${ownName(value) ?? 'anonymous'}]`;
      case 'object': break;
      default: return `${value}`;
    }
    if (value === null) return 'null';
    const { parents } = state;
    for (let i = 0; i < parents.length; i++) if (parents[i] === value) return '[circular]';
    ArrayPrototypePush(parents, value);
    const text = inspectObject(value, depth, state);
    ArrayPrototypePop(parents);
    return text;
  }

  function inspectObject(value, depth, state) {
    if (isError(value)) return inspectError(value, depth, state);
    const isDeep = depth > MAX_DEPTH;
    switch (native(OP_KIND, value)) {
      case KIND_ARRAY: return isDeep ? '[…]' : `[${items(value.length, (i) => inspectAt(value[i], depth + 1, state), state)}]`;
      case KIND_DATE: {
        const time = DatePrototypeGetTime(value);
        return time === time ? DatePrototypeToISOString(value) : 'Invalid Date';
      }
      case KIND_REGEXP: return `/${RegExpPrototypeGetSource(value)}/${RegExpPrototypeGetFlags(value)}`;
      case KIND_MAP: {
        const size = MapPrototypeGetSize(value);
        return isDeep ? `Map(${size}) {…}` : `Map(${size}) {${collected(MapPrototypeForEach, value, size, depth, state, true)}}`;
      }
      case KIND_SET: {
        const size = SetPrototypeGetSize(value);
        return isDeep ? `Set(${size}) {…}` : `Set(${size}) {${collected(SetPrototypeForEach, value, size, depth, state, false)}}`;
      }
      case KIND_TYPED_ARRAY: {
        const length = TypedArrayPrototypeGetLength(value);
        const name = `${TypedArrayPrototypeGetTag(value)}(${length})`;
        return isDeep ? `${name} […]` : `${name} [${items(length, (i) => inspectAt(value[i], depth + 1, state), state)}]`;
      }
      case KIND_ARRAY_BUFFER: return `ArrayBuffer {byteLength: ${ArrayBufferPrototypeGetByteLength(value)}}`;
      case KIND_DATA_VIEW: return `DataView {byteLength: ${DataViewPrototypeGetByteLength(value)}}`;
      case KIND_BOXED_BOOLEAN: return `[Boolean: ${BooleanPrototypeValueOf(value)}]`;
      case KIND_BOXED_NUMBER: return `[Number: ${NumberPrototypeValueOf(value)}]`;
      case KIND_BOXED_STRING: return `[String: ${JSONStringify(shortened(StringPrototypeValueOf(value)))}]`;
      case KIND_BOXED_BIGINT: return `[BigInt: ${BigIntPrototypeValueOf(value)}n]`;
      default: return inspectPlain(value, depth, state);
    }
  }

  // Not by `instanceof`, which asks the constructor of errors whether it has another idea of them.
  function isError(value) {
    if (native(OP_KIND, value) === KIND_ERROR) return true;
    let at = value;
    // A chain of proxies need not end.
    for (let i = 0; i < 100 && at !== null; i++) {
      at = ObjectGetPrototypeOf(at);
      if (at === ErrorPrototype) return true;
    }
    return false;
  }

  /** The value of a data property of its own. */
  function ownValue(target, key) {
    const property = ObjectGetOwnPropertyDescriptor(target, key);
    return property !== undefined && ObjectHasOwn(property, 'value') ? property.value : undefined;
  }

  function inspectError(error, depth, state) {
    const { name, message } = error;
    const text = stackOf(error) ??
      `${typeof name === 'string' ? name : 'Error'}: ${typeof message === 'string' ? message : ''}`;
    const cause = ObjectGetOwnPropertyDescriptor(error, 'cause');
    if (cause === undefined || !ObjectHasOwn(cause, 'value') || depth > MAX_DEPTH) return text;
    return `${text}\n  caused by ${inspectAt(cause.value, depth + 1, state)}`;
  }

  function inspectPlain(value, depth, state) {
    const prototype = ObjectGetPrototypeOf(value);
    const name = prototype === null || prototype === ObjectPrototype ? '' : ownConstructorName(prototype);
    const prefix = name === '' ? '' : `${name} `;
    if (isURLSearchParams(value) || name === 'URL') return `${prefix}${JSONStringify(`${value}`)}`;
    if (depth > MAX_DEPTH) return `${prefix}{…}`;
    const keys = ObjectKeys(value);
    return `${prefix}{${items(keys.length, (i) => {
      const property = ObjectGetOwnPropertyDescriptor(value, keys[i]);
      const hasGetter = property !== undefined && !ObjectHasOwn(property, 'value');
      return `${keys[i]}: ${hasGetter ? '[getter]' : inspectAt(value[keys[i]], depth + 1, state)}`;
    }, state)}}`;
  }

  function ownName(target) {
    const name = ownValue(target, 'name');
    return typeof name === 'string' && name !== '' ? shortened(name) : undefined;
  }

  function ownConstructorName(prototype) {
    const constructor = ownValue(prototype, 'constructor');
    return (typeof constructor === 'function' ? ownName(constructor) : undefined) ?? '';
  }

  function items(count, show, state) {
    const shown = MathMin(count, MAX_ITEMS);
    let out = '';
    for (let i = 0; i < shown; i++) {
      if (state.left <= 0) return `${out}…`;
      out += (i > 0 ? ', ' : '') + show(i);
      state.left -= 2;
    }
    return count > shown ? `${out}, … ${count - shown} more` : out;
  }

  function collected(forEach, collection, size, depth, state, hasKeys) {
    const entries = [];
    forEach(collection, (value, key) => {
      if (entries.length < MAX_ITEMS) ArrayPrototypePush(entries, { __proto__: null, key, value });
    });
    return items(size, (i) => {
      const { key, value } = entries[i];
      const text = inspectAt(value, depth + 1, state);
      return hasKeys ? `${inspectAt(key, depth + 1, state)} => ${text}` : text;
    }, state);
  }

  return { inspect, formatted };
});

function inspect(value) {
  return loadInspect().inspect(value);
}

function formatted(values) {
  return loadInspect().formatted(values);
}

function shortened(value) {
  return value.length > MAX_TEXT ? StringPrototypeSlice(value, 0, MAX_TEXT) + '…' : value;
}
