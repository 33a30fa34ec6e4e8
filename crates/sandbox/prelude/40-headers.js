// Headers (https://fetch.spec.whatwg.org/#headers-class).

let isHeaders = isNone;

const loadHeaders = once(() => {
  let newHeaders;
  let listOfHeaders;

  function headerName(value) {
    const name = toByteString(value, 'the name of a header');
    if (name === '') throw new TypeError('the name of a header is empty');
    for (let i = 0; i < name.length; i++) {
      if (!isTokenCode(StringPrototypeCharCodeAt(name, i))) {
        throw new TypeError(`"${StringPrototypeSlice(name, 0, 80)}" is not a valid name of a header`);
      }
    }
    return StringPrototypeToLowerCase(name);
  }

  function headerValue(value) {
    const text = toByteString(value, 'the value of a header');
    let start = 0;
    let end = text.length;
    while (start < end && isHttpSpace(StringPrototypeCharCodeAt(text, start))) start += 1;
    while (end > start && isHttpSpace(StringPrototypeCharCodeAt(text, end - 1))) end -= 1;
    const result = StringPrototypeSlice(text, start, end);
    for (let i = 0; i < result.length; i++) {
      const code = StringPrototypeCharCodeAt(result, i);
      if (code === 0 || code === 10 || code === 13) {
        throw new TypeError('the value of a header has a line break or a zero byte');
      }
    }
    return result;
  }

  function isHttpSpace(code) {
    return code === 9 || code === 10 || code === 13 || code === 32;
  }

  // Letters, digits and !#$%&'*+-.^_`|~
  function isTokenCode(code) {
    return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39) ||
      (code < 0x7f && StringPrototypeIncludes("!#$%&'*+-.^_`|~", StringFromCharCode(code)));
  }

  class Headers {
    // Names (lower case) and values in the order of their arrival; `set-cookie` is the only one that is never joined.
    #list = [];
    #isImmutable = false;

    constructor(init) {
      if (init !== undefined) fill(this, init);
    }

    append(name, value) {
      this.#list;
      needArguments(arguments.length, 2, 'append');
      const pair = { name: headerName(name), value: headerValue(value) };
      this.#needMutable();
      ArrayPrototypePush(this.#list, pair);
    }

    delete(name) {
      this.#list;
      needArguments(arguments.length, 1, 'delete');
      const wanted = headerName(name);
      this.#needMutable();
      this.#list = ArrayPrototypeFilter(this.#list, (pair) => pair.name !== wanted);
    }

    get(name) {
      this.#list;
      needArguments(arguments.length, 1, 'get');
      return this.#joined(headerName(name));
    }

    getSetCookie() {
      return ArrayPrototypeMap(ArrayPrototypeFilter(this.#list, (pair) => pair.name === 'set-cookie'),
        (pair) => pair.value);
    }

    has(name) {
      this.#list;
      needArguments(arguments.length, 1, 'has');
      return this.#joined(headerName(name)) !== null;
    }

    set(name, value) {
      this.#list;
      needArguments(arguments.length, 2, 'set');
      const pair = { name: headerName(name), value: headerValue(value) };
      this.#needMutable();
      const kept = [];
      let isSet = false;
      for (let i = 0; i < this.#list.length; i++) {
        if (this.#list[i].name !== pair.name) ArrayPrototypePush(kept, this.#list[i]);
        else if (!isSet) {
          isSet = true;
          ArrayPrototypePush(kept, pair);
        }
      }
      if (!isSet) ArrayPrototypePush(kept, pair);
      this.#list = kept;
    }

    forEach(callback, thisArg) {
      this.#list;
      if (typeof callback !== 'function') throw new TypeError('forEach takes a function');
      for (let i = 0; ; i++) {
        const pair = this.#sorted()[i];
        if (pair === undefined) return;
        ReflectApply(callback, thisArg, [pair.value, pair.name, this]);
      }
    }

    entries() { return this.#iterate((pair) => [pair.name, pair.value]); }
    keys() { return this.#iterate((pair) => pair.name); }
    values() { return this.#iterate((pair) => pair.value); }

    #iterate(pick) {
      let list;
      let from;
      this.#list;
      return listIterator((i) => {
        // Sorted again only after a change.
        if (from !== this.#list || list.count !== this.#list.length) {
          from = this.#list;
          list = { pairs: this.#sorted(), count: from.length };
        }
        return i < list.pairs.length ? pick(list.pairs[i]) : undefined;
      }, 'Headers Iterator');
    }

    #joined(name) {
      let value = null;
      for (let i = 0; i < this.#list.length; i++) {
        if (this.#list[i].name === name) value = value === null ? this.#list[i].value : `${value}, ${this.#list[i].value}`;
      }
      return value;
    }

    #sorted() {
      const byName = new Map();
      const pairs = [];
      for (let i = 0; i < this.#list.length; i++) {
        const { name, value } = this.#list[i];
        const known = name === 'set-cookie' ? undefined : MapPrototypeGet(byName, name);
        if (known !== undefined) {
          known.value = `${known.value}, ${value}`;
          continue;
        }
        const pair = { name, value };
        MapPrototypeSet(byName, name, pair);
        ArrayPrototypePush(pairs, pair);
      }
      return ArrayPrototypeSort(pairs, (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    }

    #needMutable() {
      if (this.#isImmutable) throw new TypeError('these headers cannot be changed');
    }

    static {
      isHeaders = (value) => isObject(value) && #list in value;
      listOfHeaders = (headers) => headers.#list;
      // `pairs`: [name, value] as the host gave them, or another object's list.
      newHeaders = (pairs, isImmutable) => {
        const headers = new Headers();
        for (let i = 0; i < pairs.length; i++) {
          const pair = pairs[i];
          ArrayPrototypePush(headers.#list, ArrayIsArray(pair)
            ? { name: StringPrototypeToLowerCase(pair[0]), value: pair[1] } : { name: pair.name, value: pair.value });
        }
        headers.#isImmutable = isImmutable;
        return headers;
      };
    }
  }
  dataProperty(Headers.prototype, SymbolIterator, Headers.prototype.entries);
  interfaceTag(Headers, 'Headers');
  const append = Headers.prototype.append;

  /** Adds what a `HeadersInit` holds: pairs or an object. */
  function fill(headers, init) {
    if (!isObject(init)) throw new TypeError('headers are given as pairs or as an object');
    if (isHeaders(init)) {
      const list = listOfHeaders(init);
      for (let i = 0; i < list.length; i++) ReflectApply(append, headers, [list[i].name, list[i].value]);
      return;
    }
    const iterate = init[SymbolIterator];
    if (iterate !== undefined && iterate !== null) {
      const pairs = sequenceOf(init, 'the headers');
      for (let i = 0; i < pairs.length; i++) {
        const pair = sequenceOf(pairs[i], 'a header');
        if (pair.length !== 2) throw new TypeError('a header has a name and a value');
        ReflectApply(append, headers, [pair[0], pair[1]]);
      }
      return;
    }
    const keys = ReflectOwnKeys(init);
    for (let i = 0; i < keys.length; i++) {
      const property = ObjectGetOwnPropertyDescriptor(init, keys[i]);
      if (property === undefined || !property.enumerable) continue;
      if (typeof keys[i] === 'symbol') throw new TypeError('a symbol is not a valid name of a header');
      ReflectApply(append, headers, [keys[i], init[keys[i]]]);
    }
  }

  return { Headers, newHeaders, listOfHeaders, fillHeaders: fill };
});

lazyGlobals(loadHeaders, ['Headers']);
