// TextEncoder, TextDecoder (https://encoding.spec.whatwg.org/), atob and btoa
// (https://html.spec.whatwg.org/multipage/webappapis.html#atob).

const loadEncoding = once(() => {
  class TextEncoder {
    #brand;

    get encoding() {
      this.#brand;
      return 'utf-8';
    }

    encode(input = '') {
      this.#brand;
      return encodeUtf8(toUSVString(input));
    }

    encodeInto(source, destination) {
      this.#brand;
      needArguments(arguments.length, 2, 'encodeInto');
      const text = toUSVString(source);
      if (!isObject(destination) || TypedArrayPrototypeGetTag(destination) !== 'Uint8Array') {
        throw new TypeError('encodeInto writes to a Uint8Array');
      }
      // Both counts in one number: the bytes written in the low 28 bits.
      const counts = native(OP_UTF8_WRITE, text, destination);
      const read = MathFloor(counts / 0x10000000);
      return { read, written: counts - read * 0x10000000 };
    }
  }
  interfaceTag(TextEncoder, 'TextEncoder');

  const NO_BYTES = new Uint8Array(0);

  let decodeWith;

  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;
    // Of a stream under way: bytes of an unfinished character (Unicode encodings) or the id of a native decoder.
    #pending = NO_BYTES;
    #decoder = 0;
    #isInStream = false;
    #hasSeenStart = false;

    constructor(label = 'utf-8', options) {
      const name = native(OP_ENCODING_OF_LABEL, `${label}`);
      const init = toDictionary(options, 'the options of a TextDecoder');
      const fatal = !!init.fatal;
      const ignoreBOM = !!init.ignoreBOM;
      if (name === undefined || name === 'replacement') {
        throw new RangeError(`"${StringPrototypeSlice(`${label}`, 0, 80)}" is not the label of an encoding`);
      }
      this.#encoding = name;
      this.#fatal = fatal;
      this.#ignoreBOM = ignoreBOM;
    }

    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }

    decode(input, options) { return this.#decode(input, options); }

    #decode(input, options) {
      if (!this.#isInStream) this.#hasSeenStart = false;
      const stream = !!toDictionary(options, 'the options of decode').stream;
      const bytes = input === undefined ? NO_BYTES : bytesOf(input, 'the input of decode');
      const isUtf16 = this.#encoding === 'utf-16le' || this.#encoding === 'utf-16be';
      const isUnicode = isUtf16 || this.#encoding === 'utf-8';
      let text;
      if (!stream && !this.#isInStream) {
        text = native(OP_DECODE, this.#encoding, bytes, this.#fatal);
      } else if (isUnicode) {
        text = this.#decodeUnicode(bytes, stream, isUtf16);
      } else {
        if (this.#decoder === 0) this.#decoder = native(OP_DECODER_NEW, this.#encoding);
        const id = this.#decoder;
        if (!stream) this.#decoder = 0;
        text = native(OP_DECODER_PUSH, id, bytes, this.#fatal, !stream);
        if (text === undefined) this.#decoder = 0;
      }
      this.#isInStream = stream;
      if (text === undefined) {
        this.#isInStream = false;
        this.#pending = NO_BYTES;
        throw new TypeError(`the bytes are not valid ${this.#encoding}`);
      }
      if (isUnicode && !this.#hasSeenStart && text.length > 0) {
        this.#hasSeenStart = true;
        if (!this.#ignoreBOM && StringPrototypeCharCodeAt(text, 0) === 0xfeff) text = StringPrototypeSlice(text, 1);
      }
      return text;
    }

    // Keeps back what may be the beginning of a character. A character begins at a byte that no other can go on over,
    // so cutting there changes nothing about how the rest is read, errors included.
    #decodeUnicode(input, stream, isUtf16) {
      const held = TypedArrayPrototypeGetLength(this.#pending);
      const bytes = held === 0 ? input : concatBytes([this.#pending, input], held + TypedArrayPrototypeGetLength(input));
      let keep = 0;
      if (stream) keep = isUtf16 ? this.#unfinishedUtf16(bytes) : unfinishedUtf8(bytes);
      const end = TypedArrayPrototypeGetLength(bytes) - keep;
      this.#pending = keep === 0 ? NO_BYTES : copyBytes(TypedArrayPrototypeSubarray(bytes, end));
      return native(OP_DECODE, this.#encoding, TypedArrayPrototypeSubarray(bytes, 0, end), this.#fatal);
    }

    #unfinishedUtf16(bytes) {
      const count = TypedArrayPrototypeGetLength(bytes);
      const odd = count % 2;
      const last = count - odd - 2;
      if (last < 0) return odd;
      const high = this.#encoding === 'utf-16le' ? bytes[last + 1] : bytes[last];
      return high >= 0xd8 && high <= 0xdb ? odd + 2 : odd;
    }

    static {
      decodeWith = (decoder, input, options) => decoder.#decode(input, options);
    }
  }
  interfaceTag(TextDecoder, 'TextDecoder');

  function unfinishedUtf8(bytes) {
    const count = TypedArrayPrototypeGetLength(bytes);
    for (let back = 1; back <= 3 && back <= count; back++) {
      const byte = bytes[count - back];
      if (byte < 0x80) return 0;
      if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0;
    }
    return 0;
  }

  function atob(data) {
    needArguments(arguments.length, 1, 'atob');
    let bytes;
    try {
      bytes = Uint8ArrayFromBase64(`${data}`);
    } catch (error) {
      if (typeof data === 'symbol') throw error;
      throw domException('the string is not correctly encoded base64', 'InvalidCharacterError');
    }
    return native(OP_DECODE, 'latin1', bytes, false);
  }

  function btoa(data) {
    needArguments(arguments.length, 1, 'btoa');
    const text = `${data}`;
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = StringPrototypeCharCodeAt(text, i);
      if (code > 255) {
        throw domException('the string has characters outside of Latin1', 'InvalidCharacterError');
      }
      bytes[i] = code;
    }
    return Uint8ArrayPrototypeToBase64(bytes);
  }

  return { TextEncoder, TextDecoder, atob, btoa, decodeWith };
});

lazyGlobals(loadEncoding, ['TextEncoder', 'TextDecoder', 'atob', 'btoa']);
