// crypto (https://w3c.github.io/webcrypto/): random values, digests and HMAC. Everything that derives, wraps or encrypts
// is left to the host's side: a plugin with a 100 ms budget has no use for it.

const loadCrypto = once(() => {
  // Name as the standard spells it, the native side's number, bytes of a digest, bytes of a block.
  const HASHES = [['SHA-1', 1, 20, 64], ['SHA-256', 2, 32, 64], ['SHA-384', 3, 48, 128], ['SHA-512', 4, 64, 128]];
  const USAGES = [
    'encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey',
  ];
  const RANDOM_TYPES = [
    'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array',
    'BigInt64Array', 'BigUint64Array',
  ];
  const key = {};

  function algorithmName(value) {
    if (typeof value === 'string') return value;
    if (!isObject(value) || value.name === undefined) throw new TypeError('the algorithm must have a name');
    return `${value.name}`;
  }

  function hashOf(value) {
    const name = StringPrototypeToUpperCase(algorithmName(value));
    for (let i = 0; i < HASHES.length; i++) if (HASHES[i][0] === name) return HASHES[i];
    throw domException(`${StringPrototypeSlice(name, 0, 40)} is not supported as a digest`, 'NotSupportedError');
  }

  function needHmac(value) {
    const name = algorithmName(value);
    if (StringPrototypeToUpperCase(name) !== 'HMAC') {
      throw domException(`${StringPrototypeSlice(name, 0, 40)} is not supported`, 'NotSupportedError');
    }
  }

  function usagesOf(value) {
    const list = sequenceOf(value, 'the usages of a key');
    const usages = [];
    for (let i = 0; i < list.length; i++) {
      const usage = `${list[i]}`;
      if (!ArrayPrototypeIncludes(USAGES, usage)) throw new TypeError(`"${usage}" is not a usage of a key`);
      if (usage !== 'sign' && usage !== 'verify') {
        throw domException(`an HMAC key cannot ${usage}`, 'SyntaxError');
      }
      if (!ArrayPrototypeIncludes(usages, usage)) ArrayPrototypePush(usages, usage);
    }
    return usages;
  }

  /** Runs the steps at once and gives a promise of their result, as every method here does. */
  function promised(steps) {
    try {
      return PromiseResolve(steps());
    } catch (error) {
      return PromiseReject(error);
    }
  }

  function bytesCopy(value, what) {
    return copyBytes(bytesOf(value, what));
  }

  let newKey;
  let keyOf;

  class CryptoKey {
    #algorithm;
    #bytes;
    #hash;
    #extractable;
    #usages;

    constructor(secret) {
      if (secret !== key) throw new TypeError('Illegal constructor');
    }

    get type() {
      this.#bytes;
      return 'secret';
    }
    get algorithm() { return this.#algorithm; }
    get extractable() { return this.#extractable; }
    get usages() { return this.#usages; }

    static {
      newKey = (bytes, hash, length, extractable, usages) => {
        const made = new CryptoKey(key);
        made.#bytes = bytes;
        made.#hash = hash;
        made.#extractable = extractable;
        made.#usages = ObjectFreeze(usages);
        made.#algorithm = ObjectFreeze({ name: 'HMAC', hash: ObjectFreeze({ name: hash[0] }), length });
        return made;
      };
      keyOf = (value) => {
        if (!isObject(value) || !(#bytes in value)) throw new TypeError('the key must be a CryptoKey');
        return { bytes: value.#bytes, hash: value.#hash, usages: value.#usages, extractable: value.#extractable };
      };
      // Keys are immutable: a copy is a new object over the same bytes.
      ArrayPrototypePush(cloneablePlatformObjects, (value) => (#bytes in value
        ? newKey(value.#bytes, value.#hash, value.#algorithm.length, value.#extractable,
          ArrayPrototypeSlice(value.#usages))
        : undefined));
    }
  }
  interfaceTag(CryptoKey, 'CryptoKey');

  function keyFor(value, usage) {
    const found = keyOf(value);
    if (!ArrayPrototypeIncludes(found.usages, usage)) {
      throw domException(`the key is not for the usage "${usage}"`, 'InvalidAccessError');
    }
    return found;
  }

  const base64url = { __proto__: null, alphabet: 'base64url', omitPadding: true };

  class SubtleCrypto {
    #brand;

    constructor(secret) {
      if (secret !== key) throw new TypeError('Illegal constructor');
    }

    digest(algorithm, data) {
      return promised(() => {
        this.#brand;
        const hash = hashOf(algorithm);
        const out = new Uint8Array(hash[2]);
        native(OP_DIGEST, hash[1], bytesOf(data, 'the data'), out);
        return TypedArrayPrototypeGetBuffer(out);
      });
    }

    importKey(format, keyData, algorithm, extractable, keyUsages) {
      return promised(() => {
        this.#brand;
        needHmac(algorithm);
        const usages = usagesOf(keyUsages);
        const hash = hashOf(toDictionary(algorithm, 'the algorithm').hash);
        if (usages.length === 0) throw domException('a secret key needs a usage', 'SyntaxError');
        let bytes;
        if (format === 'raw' || format === 'raw-secret') {
          bytes = bytesCopy(keyData, 'the key');
        } else if (format === 'jwk') {
          if (!isObject(keyData)) throw new TypeError('a JSON Web Key must be an object');
          if (keyData.kty !== 'oct' || typeof keyData.k !== 'string') {
            throw domException('an HMAC key is a JSON Web Key of type "oct"', 'DataError');
          }
          if (keyData.alg !== undefined && keyData.alg !== `HS${StringPrototypeSlice(hash[0], 4)}`) {
            throw domException('the JSON Web Key is for another hash', 'DataError');
          }
          if (keyData.ext === false && extractable) {
            throw domException('the JSON Web Key must not be extractable', 'DataError');
          }
          try {
            bytes = Uint8ArrayFromBase64(keyData.k, base64url);
          } catch {
            throw domException('the JSON Web Key is not base64url', 'DataError');
          }
        } else {
          throw domException('an HMAC key is imported as "raw" or "jwk"', 'NotSupportedError');
        }
        const bits = TypedArrayPrototypeGetLength(bytes) * 8;
        if (bits === 0) throw domException('an HMAC key must not be empty', 'DataError');
        const length = algorithm.length === undefined ? bits : algorithm.length >>> 0;
        if (length > bits || length <= bits - 8) {
          throw domException('the length does not fit the key', 'DataError');
        }
        return newKey(bytes, hash, length, !!extractable, usages);
      });
    }

    exportKey(format, cryptoKey) {
      return promised(() => {
        this.#brand;
        const { bytes, hash, usages, extractable } = keyOf(cryptoKey);
        if (!extractable) throw domException('the key is not extractable', 'InvalidAccessError');
        if (format === 'raw' || format === 'raw-secret') return TypedArrayPrototypeGetBuffer(copyBytes(bytes));
        if (format !== 'jwk') throw domException('an HMAC key is exported as "raw" or "jwk"', 'NotSupportedError');
        return {
          kty: 'oct',
          k: Uint8ArrayPrototypeToBase64(bytes, base64url),
          alg: `HS${StringPrototypeSlice(hash[0], 4)}`,
          key_ops: ArrayPrototypeSlice(usages),
          ext: true,
        };
      });
    }

    generateKey(algorithm, extractable, keyUsages) {
      return promised(() => {
        this.#brand;
        needHmac(algorithm);
        const usages = usagesOf(keyUsages);
        const hash = hashOf(toDictionary(algorithm, 'the algorithm').hash);
        if (usages.length === 0) throw domException('a secret key needs a usage', 'SyntaxError');
        const length = algorithm.length === undefined ? hash[3] * 8 : algorithm.length >>> 0;
        if (length === 0 || length % 8 !== 0 || length > 65536 * 8) {
          throw domException('the length must be a number of whole bytes up to 65,536', 'OperationError');
        }
        const bytes = new Uint8Array(length / 8);
        native(OP_RANDOM_FILL, bytes);
        return newKey(bytes, hash, length, !!extractable, usages);
      });
    }

    sign(algorithm, cryptoKey, data) {
      return promised(() => {
        this.#brand;
        needHmac(algorithm);
        const { bytes, hash } = keyFor(cryptoKey, 'sign');
        const out = new Uint8Array(hash[2]);
        native(OP_HMAC_SIGN, hash[1], bytes, bytesOf(data, 'the data'), out);
        return TypedArrayPrototypeGetBuffer(out);
      });
    }

    verify(algorithm, cryptoKey, signature, data) {
      return promised(() => {
        this.#brand;
        needHmac(algorithm);
        const { bytes, hash } = keyFor(cryptoKey, 'verify');
        return native(OP_HMAC_VERIFY, hash[1], bytes, bytesOf(data, 'the data'), bytesOf(signature, 'the signature'));
      });
    }
  }
  // The rest of the interface exists and says no, so that a library which probes for it gets the standard's error.
  const refused = ['encrypt', 'decrypt', 'deriveBits', 'deriveKey', 'wrapKey', 'unwrapKey'];
  for (let i = 0; i < refused.length; i++) {
    const name = refused[i];
    dataProperty(SubtleCrypto.prototype, name, {
      [name]() {
        return PromiseReject(domException(`crypto.subtle.${name} is not supported in a plugin`, 'NotSupportedError'));
      },
    }[name]);
  }
  interfaceTag(SubtleCrypto, 'SubtleCrypto');

  class Crypto {
    #subtle = new SubtleCrypto(key);

    constructor(secret) {
      if (secret !== key) throw new TypeError('Illegal constructor');
    }

    get subtle() { return this.#subtle; }

    getRandomValues(array) {
      this.#subtle;
      const type = isObject(array) && ArrayBufferIsView(array) ? TypedArrayPrototypeGetTag(array) : undefined;
      if (type === undefined && !(isObject(array) && ArrayBufferIsView(array))) {
        throw new TypeError('getRandomValues takes an integer typed array');
      }
      if (!ArrayPrototypeIncludes(RANDOM_TYPES, type)) {
        throw domException('getRandomValues takes an integer typed array', 'TypeMismatchError');
      }
      const bytes = bytesOf(array, 'the array');
      if (TypedArrayPrototypeGetLength(bytes) > 65536) {
        throw domException('getRandomValues gives no more than 65,536 bytes at once', 'QuotaExceededError');
      }
      native(OP_RANDOM_FILL, bytes);
      return array;
    }

    randomUUID() {
      this.#subtle;
      return native(OP_RANDOM_UUID);
    }
  }
  interfaceTag(Crypto, 'Crypto');

  return { Crypto, CryptoKey, SubtleCrypto, crypto: new Crypto(key) };
});

lazyGlobals(loadCrypto, ['Crypto', 'CryptoKey', 'SubtleCrypto', 'crypto']);
