// URL and URLSearchParams (https://url.spec.whatwg.org/). Parsing and the setters are native; a URL object holds its
// serialised form and cuts it into parts when somebody asks for one.

// Places in the list that `native(OP_URL_PARTS, href)` gives, and the numbers of the setters of `OP_URL_SET`.
const URL_PROTOCOL = 0;
const URL_USERNAME = 1;
const URL_PASSWORD = 2;
const URL_HOST = 3;
const URL_HOSTNAME = 4;
const URL_PORT = 5;
const URL_PATHNAME = 6;
const URL_SEARCH = 7;
const URL_HASH = 8;
const URL_ORIGIN = 9;

let isURLSearchParams = isNone;
let textOfParams;

const loadURL = once(() => {
  let newParams;
  let refreshParams;

  class URLSearchParams {
    // Names and values in turn.
    #list = [];
    #url = null;

    constructor(init = '') {
      if (isObject(init)) {
        const iterate = init[SymbolIterator];
        if (iterate !== undefined && iterate !== null) {
          const pairs = sequenceOf(init, 'the parameters');
          for (let i = 0; i < pairs.length; i++) {
            const pair = sequenceOf(pairs[i], 'a pair of parameters');
            if (pair.length !== 2) throw new TypeError('a pair of parameters has a name and a value');
            ArrayPrototypePush(this.#list, toUSVString(pair[0]), toUSVString(pair[1]));
          }
        } else {
          const keys = ReflectOwnKeys(init);
          for (let i = 0; i < keys.length; i++) {
            const property = ObjectGetOwnPropertyDescriptor(init, keys[i]);
            if (property === undefined || !property.enumerable) continue;
            const name = toUSVString(keys[i]);
            const value = toUSVString(init[keys[i]]);
            // Two keys can become one when lone surrogates are replaced; the later value stays.
            const at = this.#find(name, 0);
            if (at >= 0) this.#list[at + 1] = value;
            else ArrayPrototypePush(this.#list, name, value);
          }
        }
      } else {
        const text = toUSVString(init);
        this.#list = native(OP_FORM_PARSE, text !== '' && text[0] === '?' ? StringPrototypeSlice(text, 1) : text);
      }
    }

    get size() { return this.#list.length / 2; }

    append(name, value) {
      this.#list;
      needArguments(arguments.length, 2, 'append');
      ArrayPrototypePush(this.#list, toUSVString(name), toUSVString(value));
      this.#changed();
    }

    delete(name, value) {
      this.#list;
      needArguments(arguments.length, 1, 'delete');
      const wanted = toUSVString(name);
      const wantedValue = value === undefined ? undefined : toUSVString(value);
      const list = this.#list;
      const kept = [];
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === wanted && (wantedValue === undefined || list[i + 1] === wantedValue)) continue;
        ArrayPrototypePush(kept, list[i], list[i + 1]);
      }
      this.#list = kept;
      this.#changed();
    }

    get(name) {
      this.#list;
      needArguments(arguments.length, 1, 'get');
      const at = this.#find(toUSVString(name), 0);
      return at < 0 ? null : this.#list[at + 1];
    }

    getAll(name) {
      this.#list;
      needArguments(arguments.length, 1, 'getAll');
      const wanted = toUSVString(name);
      const values = [];
      for (let at = this.#find(wanted, 0); at >= 0; at = this.#find(wanted, at + 2)) {
        ArrayPrototypePush(values, this.#list[at + 1]);
      }
      return values;
    }

    has(name, value) {
      this.#list;
      needArguments(arguments.length, 1, 'has');
      const wanted = toUSVString(name);
      const wantedValue = value === undefined ? undefined : toUSVString(value);
      for (let at = this.#find(wanted, 0); at >= 0; at = this.#find(wanted, at + 2)) {
        if (wantedValue === undefined || this.#list[at + 1] === wantedValue) return true;
      }
      return false;
    }

    set(name, value) {
      this.#list;
      needArguments(arguments.length, 2, 'set');
      const wanted = toUSVString(name);
      const text = toUSVString(value);
      const list = this.#list;
      const kept = [];
      let isSet = false;
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] !== wanted) ArrayPrototypePush(kept, list[i], list[i + 1]);
        else if (!isSet) {
          isSet = true;
          ArrayPrototypePush(kept, wanted, text);
        }
      }
      if (!isSet) ArrayPrototypePush(kept, wanted, text);
      this.#list = kept;
      this.#changed();
    }

    sort() {
      const pairs = [];
      for (let i = 0; i < this.#list.length; i += 2) {
        ArrayPrototypePush(pairs, { name: this.#list[i], value: this.#list[i + 1] });
      }
      // By UTF-16 code units, as `<` does; the built-in sort is stable.
      ArrayPrototypeSort(pairs, (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
      const list = [];
      for (let i = 0; i < pairs.length; i++) ArrayPrototypePush(list, pairs[i].name, pairs[i].value);
      this.#list = list;
      this.#changed();
    }

    forEach(callback, thisArg) {
      this.#list;
      if (typeof callback !== 'function') throw new TypeError('forEach takes a function');
      for (let i = 0; i < this.#list.length; i += 2) {
        ReflectApply(callback, thisArg, [this.#list[i + 1], this.#list[i], this]);
      }
    }

    entries() { return this.#iterate((at) => [this.#list[at], this.#list[at + 1]]); }
    keys() { return this.#iterate((at) => this.#list[at]); }
    values() { return this.#iterate((at) => this.#list[at + 1]); }
    toString() { return textOfParams(this); }

    #iterate(pick) {
      this.#list;
      return listIterator((i) => (i * 2 < this.#list.length ? pick(i * 2) : undefined), 'URLSearchParams Iterator');
    }

    #find(name, from) {
      const list = this.#list;
      for (let i = from; i < list.length; i += 2) if (list[i] === name) return i;
      return -1;
    }

    #changed() {
      if (this.#url !== null) setQuery(this.#url, native(OP_FORM_SERIALIZE, this.#list));
    }

    static {
      isURLSearchParams = (value) => isObject(value) && #list in value;
      textOfParams = (params) => native(OP_FORM_SERIALIZE, params.#list);
      newParams = (url, query) => {
        const params = new URLSearchParams(query);
        params.#url = url;
        return params;
      };
      refreshParams = (params, query) => {
        params.#list = native(OP_FORM_PARSE, query);
      };
    }
  }
  dataProperty(URLSearchParams.prototype, SymbolIterator, URLSearchParams.prototype.entries);
  interfaceTag(URLSearchParams, 'URLSearchParams');

  let setQuery;

  class URL {
    #href;
    #parts = null;
    #params = null;

    constructor(url, base) {
      needArguments(arguments.length, 1, 'URL');
      const input = toUSVString(url);
      const against = base === undefined ? undefined : toUSVString(base);
      const href = native(OP_URL_PARSE, input, against);
      if (href === undefined) {
        const error = new TypeError('Invalid URL');
        ownProperty(error, 'code', 'ERR_INVALID_URL');
        ownProperty(error, 'input', input);
        if (against !== undefined) ownProperty(error, 'base', against);
        throw error;
      }
      this.#href = href;
    }

    static canParse(url, base) {
      needArguments(arguments.length, 1, 'URL.canParse');
      return native(OP_URL_PARSE, toUSVString(url), base === undefined ? undefined : toUSVString(base)) !== undefined;
    }

    static parse(url, base) {
      needArguments(arguments.length, 1, 'URL.parse');
      const href = native(OP_URL_PARSE, toUSVString(url), base === undefined ? undefined : toUSVString(base));
      return href === undefined ? null : new URL(href);
    }

    get href() { return this.#href; }
    set href(value) {
      this.#href;
      const href = native(OP_URL_PARSE, toUSVString(value), undefined);
      if (href === undefined) throw new TypeError('Invalid URL');
      this.#setHref(href);
    }

    get origin() { return this.#part(URL_ORIGIN); }
    get protocol() { return this.#part(URL_PROTOCOL); }
    set protocol(value) { this.#change(URL_PROTOCOL, value); }
    get username() { return this.#part(URL_USERNAME); }
    set username(value) { this.#change(URL_USERNAME, value); }
    get password() { return this.#part(URL_PASSWORD); }
    set password(value) { this.#change(URL_PASSWORD, value); }
    get host() { return this.#part(URL_HOST); }
    set host(value) { this.#change(URL_HOST, value); }
    get hostname() { return this.#part(URL_HOSTNAME); }
    set hostname(value) { this.#change(URL_HOSTNAME, value); }
    get port() { return this.#part(URL_PORT); }
    set port(value) { this.#change(URL_PORT, value); }
    get pathname() { return this.#part(URL_PATHNAME); }
    set pathname(value) { this.#change(URL_PATHNAME, value); }
    get search() { return this.#part(URL_SEARCH); }
    set search(value) { this.#change(URL_SEARCH, value); }
    get hash() { return this.#part(URL_HASH); }
    set hash(value) { this.#change(URL_HASH, value); }

    get searchParams() {
      if (this.#params === null) this.#params = newParams(this, this.#part(URL_SEARCH));
      return this.#params;
    }

    toString() { return this.#href; }
    toJSON() { return this.#href; }

    #part(which) {
      if (this.#parts === null) this.#parts = native(OP_URL_PARTS, this.#href);
      return this.#parts[which];
    }

    #change(which, value) {
      this.#href;
      this.#setHref(native(OP_URL_SET, this.#href, which, toUSVString(value)));
    }

    #setHref(href) {
      if (href === this.#href) return;
      this.#href = href;
      this.#parts = null;
      if (this.#params !== null) refreshParams(this.#params, StringPrototypeSlice(this.#part(URL_SEARCH), 1));
    }

    static {
      setQuery = (url, query) => {
        url.#href = native(OP_URL_SET, url.#href, URL_SEARCH, query);
        url.#parts = null;
      };
    }
  }
  interfaceTag(URL, 'URL');

  return { URL, URLSearchParams };
});

lazyGlobals(loadURL, ['URL', 'URLSearchParams']);
