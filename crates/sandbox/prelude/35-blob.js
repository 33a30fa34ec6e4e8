// Blob, File (https://w3c.github.io/FileAPI/) and FormData (https://xhr.spec.whatwg.org/#interface-formdata).

const loadBlob = once(() => {
  // A blob's parts go in and out by functions, and are no argument of a constructor: `super` calls whatever a plugin has
  // put above a class.
  let bytesOfBlob;
  let typeOfBlob;
  let fillBlob;
  let nameOfFile;
  let modifiedOfFile;
  let newFile;

  function normalType(value) {
    const type = `${value}`;
    for (let i = 0; i < type.length; i++) {
      const code = StringPrototypeCharCodeAt(type, i);
      if (code < 0x20 || code > 0x7e) return '';
    }
    return StringPrototypeToLowerCase(type);
  }

  function toNativeLineEndings(text) {
    return StringPrototypeReplaceAll(StringPrototypeReplaceAll(text, '\r\n', '\n'), '\r', '\n');
  }

  class Blob {
    // Never changed, so slices share it.
    #bytes;
    #type;

    constructor(parts, options) {
      const list = parts === undefined ? [] : sequenceOf(parts, 'the parts of a Blob');
      const init = toDictionary(options, 'the options of a Blob');
      const endings = init.endings === undefined ? 'transparent' : `${init.endings}`;
      if (endings !== 'transparent' && endings !== 'native') throw new TypeError(`"${endings}" is no kind of line ending`);
      const type = init.type === undefined ? '' : normalType(init.type);
      const chunks = [];
      let total = 0;
      for (let i = 0; i < list.length; i++) {
        const part = list[i];
        let chunk;
        if (isBlob(part)) chunk = part.#bytes;
        else if (isBufferSource(part)) chunk = copyBytes(bytesOf(part, 'a part'));
        else {
          const text = toUSVString(part);
          chunk = encodeUtf8(endings === 'native' ? toNativeLineEndings(text) : text);
        }
        ArrayPrototypePush(chunks, chunk);
        total += TypedArrayPrototypeGetLength(chunk);
      }
      this.#bytes = chunks.length === 0 ? new Uint8Array(0) : concatBytes(chunks, total);
      this.#type = type;
    }

    get size() { return TypedArrayPrototypeGetLength(this.#bytes); }
    get type() { return this.#type; }

    slice(start, end, type) {
      const size = TypedArrayPrototypeGetLength(this.#bytes);
      const at = (value, missing) => {
        if (value === undefined) return missing;
        const whole = MathTrunc(+value) || 0;
        return whole < 0 ? MathMax(size + whole, 0) : MathMin(whole, size);
      };
      const from = at(start, 0);
      const to = MathMax(at(end, size), from);
      return newBlob(TypedArrayPrototypeSubarray(this.#bytes, from, to), type === undefined ? '' : normalType(type));
    }

    async text() { return decodeUtf8(this.#bytes); }
    async arrayBuffer() { return TypedArrayPrototypeGetBuffer(copyBytes(this.#bytes)); }
    async bytes() { return copyBytes(this.#bytes); }

    stream() {
      const bytes = this.#bytes;
      const { newStream } = loadReadable();
      const fed = newStream({ __proto__: null }, 1);
      if (TypedArrayPrototypeGetLength(bytes) > 0) fed.enqueue(copyBytes(bytes));
      fed.close();
      return fed.stream;
    }

    static {
      isBlob = (value) => isObject(value) && #bytes in value;
      bytesOfBlob = (blob) => blob.#bytes;
      typeOfBlob = (blob) => blob.#type;
      fillBlob = (blob, bytes, type) => {
        blob.#bytes = bytes;
        blob.#type = type;
        return blob;
      };
    }
  }
  interfaceTag(Blob, 'Blob');

  class File extends Blob {
    #name;
    #lastModified;

    constructor(parts, name, options) {
      needArguments(arguments.length, 2, 'File');
      super(parts, options);
      this.#name = toUSVString(name);
      const modified = toDictionary(options, 'the options of a File').lastModified;
      this.#lastModified = modified === undefined ? DateNow() : MathTrunc(+modified) || 0;
    }

    get name() { return this.#name; }
    get lastModified() { return this.#lastModified; }
    get webkitRelativePath() {
      this.#name;
      return '';
    }

    static {
      isFile = (value) => isObject(value) && #name in value;
      nameOfFile = (file) => file.#name;
      modifiedOfFile = (file) => file.#lastModified;
      newFile = (bytes, type, name, lastModified) => {
        const file = fillBlob(new File(undefined, name), bytes, type);
        file.#lastModified = lastModified;
        return file;
      };
    }
  }
  interfaceTag(File, 'File');

  const newBlob = (bytes, type) => fillBlob(new Blob(), bytes, type);
  ArrayPrototypePush(cloneablePlatformObjects, (value) => {
    if (!isBlob(value)) return undefined;
    const bytes = bytesOfBlob(value);
    const type = typeOfBlob(value);
    return isFile(value) ? newFile(bytes, type, nameOfFile(value), modifiedOfFile(value)) : newBlob(bytes, type);
  });

  let appendToForm;
  let valuesOf;

  class FormData {
    // {name, value}: value a string or a File.
    #entries = [];

    constructor(form) {
      if (form !== undefined) throw new TypeError('there are no forms here');
    }

    append(name, value, filename) {
      ArrayPrototypePush(this.#entries, entry(arguments.length, name, value, filename));
    }

    set(name, value, filename) {
      const made = entry(arguments.length, name, value, filename);
      const kept = [];
      let isSet = false;
      for (let i = 0; i < this.#entries.length; i++) {
        if (this.#entries[i].name !== made.name) ArrayPrototypePush(kept, this.#entries[i]);
        else if (!isSet) {
          isSet = true;
          ArrayPrototypePush(kept, made);
        }
      }
      if (!isSet) ArrayPrototypePush(kept, made);
      this.#entries = kept;
    }

    delete(name) {
      this.#entries;
      needArguments(arguments.length, 1, 'delete');
      const wanted = toUSVString(name);
      this.#entries = ArrayPrototypeFilter(this.#entries, (one) => one.name !== wanted);
    }

    get(name) {
      const all = valuesOf(this, arguments.length, name);
      return all.length === 0 ? null : all[0];
    }

    getAll(name) { return valuesOf(this, arguments.length, name); }
    has(name) { return valuesOf(this, arguments.length, name).length > 0; }

    forEach(callback, thisArg) {
      this.#entries;
      if (typeof callback !== 'function') throw new TypeError('forEach takes a function');
      for (let i = 0; i < this.#entries.length; i++) {
        ReflectApply(callback, thisArg, [this.#entries[i].value, this.#entries[i].name, this]);
      }
    }

    entries() { return this.#iterate((one) => [one.name, one.value]); }
    keys() { return this.#iterate((one) => one.name); }
    values() { return this.#iterate((one) => one.value); }

    #iterate(pick) {
      this.#entries;
      return listIterator((i) => (i < this.#entries.length ? pick(this.#entries[i]) : undefined), 'FormData Iterator');
    }

    static {
      isFormData = (value) => isObject(value) && #entries in value;
      entriesOfForm = (form) => form.#entries;
      appendToForm = (form, name, value) => ArrayPrototypePush(form.#entries, entry(2, name, value));
      valuesOf = (form, count, name) => {
        const entries = form.#entries;
        needArguments(count, 1, 'get');
        const wanted = toUSVString(name);
        return ArrayPrototypeMap(ArrayPrototypeFilter(entries, (one) => one.name === wanted), (one) => one.value);
      };
    }
  }
  dataProperty(FormData.prototype, SymbolIterator, FormData.prototype.entries);
  interfaceTag(FormData, 'FormData');

  function entry(count, name, value, filename) {
    needArguments(count, 2, 'append');
    const key = toUSVString(name);
    if (!isBlob(value)) {
      if (count > 2) throw new TypeError('only a Blob has a file name');
      return { name: key, value: toUSVString(value) };
    }
    if (isFile(value) && filename === undefined) return { name: key, value };
    const fileName = filename === undefined ? 'blob' : toUSVString(filename);
    const modified = isFile(value) ? modifiedOfFile(value) : DateNow();
    return { name: key, value: newFile(bytesOfBlob(value), typeOfBlob(value), fileName, modified) };
  }

  // https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
  function encodeMultipart(form, boundary) {
    const escape = (text) => StringPrototypeReplaceAll(StringPrototypeReplaceAll(StringPrototypeReplaceAll(
      text, '\n', '%0A'), '\r', '%0D'), '"', '%22');
    const crlf = (text) => StringPrototypeReplaceAll(toNativeLineEndings(text), '\n', '\r\n');
    const chunks = [];
    let total = 0;
    const add = (chunk) => {
      ArrayPrototypePush(chunks, chunk);
      total += TypedArrayPrototypeGetLength(chunk);
    };
    const entries = entriesOfForm(form);
    for (let i = 0; i < entries.length; i++) {
      const { name, value } = entries[i];
      const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escape(crlf(name))}"`;
      if (typeof value === 'string') {
        add(encodeUtf8(`${head}\r\n\r\n${crlf(value)}\r\n`));
      } else {
        const type = typeOfBlob(value);
        add(encodeUtf8(`${head}; filename="${escape(nameOfFile(value))}"\r\nContent-Type: ${
          type === '' ? 'application/octet-stream' : type}\r\n\r\n`));
        add(bytesOfBlob(value));
        add(encodeUtf8('\r\n'));
      }
    }
    add(encodeUtf8(`--${boundary}--\r\n`));
    return concatBytes(chunks, total);
  }

  function indexOfBytes(bytes, wanted, from) {
    const count = TypedArrayPrototypeGetLength(wanted);
    const last = TypedArrayPrototypeGetLength(bytes) - count;
    outer: for (let i = from; i <= last; i++) {
      for (let k = 0; k < count; k++) if (bytes[i + k] !== wanted[k]) continue outer;
      return i;
    }
    return -1;
  }

  // RFC 7578, as browsers write it. Undefined if it is none.
  function decodeMultipart(bytes, boundary) {
    const form = new FormData();
    const delimiter = encodeUtf8(`--${boundary}`);
    const blankLine = encodeUtf8('\r\n\r\n');
    const next = encodeUtf8(`\r\n--${boundary}`);
    let at = indexOfBytes(bytes, delimiter, 0);
    if (at < 0) return undefined;
    at += TypedArrayPrototypeGetLength(delimiter);
    for (;;) {
      if (bytes[at] === 0x2d && bytes[at + 1] === 0x2d) return form;
      if (bytes[at] !== 0x0d || bytes[at + 1] !== 0x0a) return undefined;
      const headEnd = indexOfBytes(bytes, blankLine, at);
      if (headEnd < 0) return undefined;
      const bodyStart = headEnd + 4;
      const bodyEnd = indexOfBytes(bytes, next, bodyStart - 2);
      if (bodyEnd < 0) return undefined;
      const lines = StringPrototypeSplit(decodeUtf8(TypedArrayPrototypeSubarray(bytes, at + 2, headEnd)), '\r\n');
      let name;
      let filename;
      let type = 'text/plain';
      for (let i = 0; i < lines.length; i++) {
        const colon = StringPrototypeIndexOf(lines[i], ':');
        if (colon < 0) return undefined;
        const field = StringPrototypeToLowerCase(StringPrototypeTrim(StringPrototypeSlice(lines[i], 0, colon)));
        const value = StringPrototypeTrim(StringPrototypeSlice(lines[i], colon + 1));
        if (field === 'content-type') type = value;
        if (field === 'content-disposition') {
          name = parameterOf(value, 'name');
          filename = parameterOf(value, 'filename');
        }
      }
      if (name === undefined) return undefined;
      const body = TypedArrayPrototypeSubarray(bytes, bodyStart, MathMax(bodyEnd, bodyStart));
      if (filename === undefined) appendToForm(form, name, decodeUtf8(body));
      else appendToForm(form, name, newFile(copyBytes(body), normalType(type), filename, DateNow()));
      at = bodyEnd + TypedArrayPrototypeGetLength(next);
    }
  }

  function parameterOf(header, name) {
    const found = RegExpPrototypeExec(name === 'name' ? /;\s*name="([^"]*)"/i : /;\s*filename="([^"]*)"/i, header);
    if (found === null) return undefined;
    return StringPrototypeReplaceAll(StringPrototypeReplaceAll(StringPrototypeReplaceAll(
      found[1], '%22', '"'), '%0D', '\r'), '%0A', '\n');
  }

  return { Blob, File, FormData, bytesOfBlob, typeOfBlob, newBlob, appendToForm, encodeMultipart, decodeMultipart };
});

let isBlob = isNone;
let isFile = isNone;
let isFormData = isNone;
let entriesOfForm;

lazyGlobals(loadBlob, ['Blob', 'File', 'FormData']);
