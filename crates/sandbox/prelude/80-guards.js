// Bounds on the built-ins that nothing can stop: V8 runs them in one piece, so that neither the CPU limit nor the heap
// limit gets a word in, and some of them end the whole process. A guard throws a RangeError that names the bound.
//
// This is the inner wall, and a thin one: it catches the cheap and well-known cases, so that the outer wall (the process
// that is killed) is rarely needed. What gets past it: arrays spread into a list (`[...new Array(2 ** 25)]`), the typed
// arrays' constructors, methods of RegExp.prototype called by hand on huge strings, the RegExp constructor, BigInt
// arithmetic.
//
// The guards are in place when the snapshot is made; `removeGuards` takes them out again, for tests.

// Elements. Measured with a heap of 64 MiB: at 2^22 every method below is done in at most 0.3 s and 32 MiB, at 2^24 in up
// to 1.9 s and 128 MiB.
const MAX_ELEMENTS = 0x400000;
// Names listed at once: each is a string of its own.
const MAX_NAMES = 0x100000;
// Characters of a text that is changed or compared as a whole.
const MAX_CHARACTERS = 0x1000000;
const MAX_PATTERN = 0x10000;
const MAX_NESTED_GROUPS = 1000;

// Set once somebody makes a Proxy, and a Proxy of an array: only V8 can tell those from what they stand for, and nobody
// pays for asking it before the first one is made.
let hasProxies = false;
let hasArrayProxies = false;

const SymbolIsConcatSpreadable = Symbol.isConcatSpreadable;

function tooLong(name, count, most) {
  return new RangeError(`${name} of ${count} elements: more than ${most} are not allowed in a plugin`);
}

function tooManyCharacters(name, count, most) {
  return new RangeError(`${name} of ${count} characters: more than ${most} are not allowed in a plugin`);
}

function isRealArray(value) {
  return ArrayIsArray(value) && !(hasArrayProxies && native(OP_KIND, value) === KIND_PROXY);
}

/**
 * What a method may be called on in place of an array-like: the same object where its length can't change under our
 * hands, else a stand-in with the length that was looked at. A getter is asked once.
 */
function boundedArrayLike(object, name) {
  if (!hasProxies || native(OP_KIND, object) !== KIND_PROXY) {
    if (TypedArrayPrototypeGetTag(object) !== undefined && !ObjectHasOwn(object, 'length')) {
      if (TypedArrayPrototypeGetLength(object) > MAX_ELEMENTS) {
        throw tooLong(name, TypedArrayPrototypeGetLength(object), MAX_ELEMENTS);
      }
      return object;
    }
    const own = ObjectGetOwnPropertyDescriptor(object, 'length');
    if (own !== undefined && ObjectHasOwn(own, 'value') && typeof own.value === 'number') {
      if (own.value > MAX_ELEMENTS) throw tooLong(name, own.value, MAX_ELEMENTS);
      return object;
    }
  }
  return withFixedLength(object, name);
}

function withFixedLength(object, name) {
  const given = object.length;
  const length = isObject(given) ? +given : given;
  if (length > MAX_ELEMENTS) throw tooLong(name, length, MAX_ELEMENTS);
  return new Proxy(object, {
    __proto__: null,
    get: (target, key) => (key === 'length' ? length : target[key]),
  });
}

// What was there before: the object it was on and the function itself, of each in turn.
let unguarded = [];

// A block, so that what only puts guards in place is gone when they are, and in no isolate.
{
  const guardedArrayMethods = [
    'sort', 'toSorted', 'reverse', 'toReversed', 'splice', 'toSpliced', 'with', 'slice', 'fill', 'copyWithin', 'includes',
    'indexOf', 'lastIndexOf', 'shift', 'unshift', 'forEach', 'map', 'filter', 'some', 'every', 'reduce', 'reduceRight',
    'flatMap', 'join', 'toLocaleString',
  ];

  function putGuard(target, name, guard) {
    const original = target[name];
    // Each definition costs the function a map of its own in every isolate, so guards are written with the right ones.
    if (guard.name !== original.name) ObjectDefineProperty(guard, 'name', { __proto__: null, value: original.name });
    if (guard.length !== original.length) {
      ObjectDefineProperty(guard, 'length', { __proto__: null, value: original.length });
    }
    replaceValue(target, name, guard);
  }

  function replaceValue(target, name, value) {
    ArrayPrototypePush(unguarded, target);
    ArrayPrototypePush(unguarded, target[name]);
    ObjectDefineProperty(target, name, { __proto__: null, value });
  }

  function onArrayLike(original, name, self, args) {
    if (self === undefined || self === null) return ReflectApply(original, self, args);
    const object = Object(self);
    const standIn = boundedArrayLike(object, name);
    const result = ReflectApply(original, standIn, args);
    return result === standIn ? object : result;
  }

  function isBoundedArray(value) {
    return ArrayIsArray(value) && !hasArrayProxies && value.length <= MAX_ELEMENTS;
  }

  /** A method that runs if `this` has a bounded number of elements. */
  function guardArrayMethod(name) {
    const original = Array.prototype[name];
    // Methods, since those are no constructors. `arguments` goes on as it came: V8 makes no object of it here.
    const guards = original.length === 0 ? {
      [name]() {
        return isBoundedArray(this) ? ReflectApply(original, this, arguments) : onArrayLike(original, name, this, arguments);
      },
    } : original.length === 1 ? {
      [name](_one) {
        return isBoundedArray(this) ? ReflectApply(original, this, arguments) : onArrayLike(original, name, this, arguments);
      },
    } : {
      [name](_one, _two) {
        return isBoundedArray(this) ? ReflectApply(original, this, arguments) : onArrayLike(original, name, this, arguments);
      },
    };
    putGuard(Array.prototype, name, guards[name]);
  }

  function onText(original, name, most, self, args) {
    if (self === undefined || self === null) return ReflectApply(original, self, args);
    const text = `${self}`;
    if (text.length > most) throw tooManyCharacters(name, text.length, most);
    return ReflectApply(original, text, args);
  }

  /** A method of String.prototype that runs if the text is not too long. `this` is made a string once. */
  function guardTextMethod(target, name, most) {
    const original = target[name];
    const guards = original.length === 0 ? {
      [name]() {
        const isBounded = typeof this === 'string' && this.length <= most;
        return isBounded ? ReflectApply(original, this, arguments) : onText(original, name, most, this, arguments);
      },
    } : {
      [name](_one) {
        const isBounded = typeof this === 'string' && this.length <= most;
        return isBounded ? ReflectApply(original, this, arguments) : onText(original, name, most, this, arguments);
      },
    };
    putGuard(target, name, guards[name]);
  }

  /** A function of one text that runs if that is not too long. */
  function guardTextFunction(name) {
    const original = globalThis[name];
    putGuard(globalThis, name, {
      [name](value) {
        const text = typeof value === 'string' ? value : `${value}`;
        if (text.length > MAX_CHARACTERS) throw tooManyCharacters(name, text.length, MAX_CHARACTERS);
        return original(text);
      },
    }[name]);
  }

  /** A function that lists the names of its argument at this index and above. */
  function guardNames(target, name, from) {
    const original = target[name];
    putGuard(target, name, {
      [name](value) {
        for (let i = from; i < arguments.length; i++) {
          const one = arguments[i];
          let count = 0;
          if (typeof one === 'string') count = one.length;
          else if (ArrayIsArray(one)) count = one.length;
          else if (ArrayBufferIsView(one)) count = TypedArrayPrototypeGetTag(one) && TypedArrayPrototypeGetLength(one);
          if (count > MAX_NAMES) throw tooLong(name, count, MAX_NAMES);
        }
        return ReflectApply(original, this, arguments);
      },
    }[name]);
  }

  // Counts how often the separator is in the text; stops at the bound, and can be terminated, unlike what it stands guard
  // for.
  function countParts(text, separator) {
    let count = 0;
    for (let at = StringPrototypeIndexOf(text, separator); at >= 0; at = StringPrototypeIndexOf(text, separator, at)) {
      count += 1;
      if (count > MAX_ELEMENTS) return count;
      at += MathMax(separator.length, 1);
      if (at > text.length) return count;
    }
    return count;
  }

  function countMatches(text, expression) {
    const copy = new RegExp(RegExpPrototypeGetSource(expression),
      StringPrototypeReplaceAll(StringPrototypeReplaceAll(RegExpPrototypeGetFlags(expression), 'y', ''), 'g', '') + 'g');
    let count = 0;
    while (count <= MAX_ELEMENTS) {
      const found = RegExpPrototypeExec(copy, text);
      if (found === null) return count;
      count += 1;
      if (found[0] === '') copy.lastIndex += 1;
    }
    return count;
  }

  /** `split`, `replace`, `replaceAll`: long texts must not fall into too many parts. */
  function guardParts(name, isEmptyEveryCharacter) {
    const original = String.prototype[name];
    const slow = (self, pattern, other, count) => {
      if (self === undefined || self === null) return ReflectApply(original, self, [pattern, other]);
      const text = `${self}`;
      if (text.length > MAX_CHARACTERS) throw tooManyCharacters(name, text.length, MAX_CHARACTERS);
      let parts = 0;
      let given = pattern;
      if (isObject(pattern)) {
        if (native(OP_KIND, pattern) === KIND_REGEXP) parts = countMatches(text, pattern);
      } else if (pattern !== undefined) {
        given = `${pattern}`;
        if (name !== 'replace') parts = given === '' && isEmptyEveryCharacter ? text.length : countParts(text, given);
      }
      if (parts > MAX_ELEMENTS) throw tooLong(name, parts, MAX_ELEMENTS);
      return ReflectApply(original, text, count > 1 ? [given, other] : count === 1 ? [given] : []);
    };
    putGuard(String.prototype, name, {
      [name](pattern, other) {
        if (typeof this === 'string' && this.length <= MAX_ELEMENTS) return ReflectApply(original, this, arguments);
        return slow(this, pattern, other, arguments.length);
      },
    }[name]);
  }

  function guardFlat() {
    const original = Array.prototype.flat;
    // The elements of all levels, each list as often as it is met.
    const count = (list, depth, so) => {
      let total = so + list.length;
      if (total > MAX_ELEMENTS) throw tooLong('flat', total, MAX_ELEMENTS);
      for (let i = 0; depth > 0 && i < list.length; i++) {
        if (isRealArray(list[i])) total = count(list[i], depth - 1, total);
      }
      return total;
    };
    putGuard(Array.prototype, 'flat', {
      flat() {
        const depth = arguments[0];
        if (this === undefined || this === null) return ReflectApply(original, this, []);
        const levels = depth === undefined ? 1 : MathTrunc(+depth) || 0;
        if (isRealArray(this)) {
          count(this, levels, 0);
          return ReflectApply(original, this, [levels]);
        }
        return ReflectApply(original, boundedArrayLike(Object(this), 'flat'), [levels]);
      },
    }.flat);
  }

  function guardConcat() {
    const original = Array.prototype.concat;
    // What is put in the place of an argument. One that is not spread goes into a list of its own, since a second look
    // at it could find it to be spread.
    const bounded = (value) => {
      if (!isObject(value)) return value;
      if (isRealArray(value) && value[SymbolIsConcatSpreadable] === undefined) {
        if (value.length > MAX_ELEMENTS) throw tooLong('concat', value.length, MAX_ELEMENTS);
        return value;
      }
      const spreadable = value[SymbolIsConcatSpreadable];
      if (spreadable === undefined ? !ArrayIsArray(value) : !spreadable) return [value];
      const length = +value.length;
      if (length > MAX_ELEMENTS) throw tooLong('concat', length, MAX_ELEMENTS);
      return new Proxy(value, {
        __proto__: null,
        get: (target, key) => (key === 'length' ? length : key === SymbolIsConcatSpreadable ? true : target[key]),
      });
    };
    putGuard(Array.prototype, 'concat', {
      concat(_first) {
        if (ArrayIsArray(this) && !hasArrayProxies) {
          let sum = this.length;
          let isPlain = true;
          for (let i = 0; i < arguments.length && isPlain; i++) {
            if (ArrayIsArray(arguments[i])) sum += arguments[i].length;
            else isPlain = !isObject(arguments[i]);
          }
          if (isPlain && sum <= MAX_ELEMENTS) return ReflectApply(original, this, arguments);
        }
        if (this === undefined || this === null) return ReflectApply(original, this, []);
        const args = [];
        let total = 0;
        for (let i = 0; i < arguments.length; i++) {
          const value = bounded(arguments[i]);
          total += ArrayIsArray(value) ? value.length : 1;
          if (total > MAX_ELEMENTS) throw tooLong('concat', total, MAX_ELEMENTS);
          ArrayPrototypePush(args, value);
        }
        return ReflectApply(original, bounded(Object(this)), args);
      },
    }.concat);
  }

  function guardFrom(target, most) {
    const original = target.from;
    putGuard(target, 'from', {
      from(items) {
        let source = items;
        if (typeof items === 'string' || isRealArray(items)) {
          if (items.length > most) throw tooLong('from', items.length, most);
        } else if (isObject(items)) {
          const kind = native(OP_KIND, items);
          if (kind !== KIND_MAP && kind !== KIND_SET && kind !== KIND_TYPED_ARRAY) {
            const iterate = items[SymbolIterator];
            source = iterate === undefined || iterate === null
              ? boundedArrayLike(items, 'from')
              : { __proto__: null, [SymbolIterator]: () => ReflectApply(iterate, items, []) };
          }
        }
        return ReflectApply(original, this, arguments.length > 1 ? [source, arguments[1], arguments[2]] : [source]);
      },
    }.from);
  }

  function guardTypedSort(name) {
    const original = TypedArray.prototype[name];
    putGuard(TypedArray.prototype, name, {
      [name](compare) {
        if (isObject(this) && TypedArrayPrototypeGetTag(this) !== undefined && TypedArrayPrototypeGetLength(this) > MAX_ELEMENTS) {
          throw tooLong(name, TypedArrayPrototypeGetLength(this), MAX_ELEMENTS);
        }
        return ReflectApply(original, this, [compare]);
      },
    }[name]);
  }

  function guardRaw() {
    const original = String.raw;
    putGuard(String, 'raw', {
      raw(strings) {
        const raw = strings?.raw;
        if (!isObject(raw)) return ReflectApply(original, this, arguments);
        const list = isRealArray(raw) && raw.length <= MAX_ELEMENTS ? raw : boundedArrayLike(raw, 'raw');
        const args = [{ __proto__: null, raw: list }];
        for (let i = 1; i < arguments.length; i++) ArrayPrototypePush(args, arguments[i]);
        return ReflectApply(original, this, args);
      },
    }.raw);
  }

  function checkPattern(source) {
    if (source.length <= MAX_NESTED_GROUPS) return;
    if (source.length > MAX_PATTERN) throw tooManyCharacters('a regular expression', source.length, MAX_PATTERN);
    let depth = 0;
    for (let i = 0; i < source.length; i++) {
      const code = StringPrototypeCharCodeAt(source, i);
      if (code === 0x5c) i += 1;
      else if (code === 0x28) depth += 1;
      else if (code === 0x29) depth -= 1;
      if (depth > MAX_NESTED_GROUPS) {
        throw new RangeError(`a regular expression of more than ${MAX_NESTED_GROUPS} nested groups is not allowed in a plugin`);
      }
    }
  }

  // `match`, `matchAll` and `search` make a regular expression of what is none.
  function guardPatternMethod(name) {
    const original = String.prototype[name];
    putGuard(String.prototype, name, {
      [name](pattern) {
        if (isObject(pattern) || pattern === undefined) return ReflectApply(original, this, [pattern]);
        const source = `${pattern}`;
        checkPattern(source);
        return ReflectApply(original, this, [source]);
      },
    }[name]);
  }

  /** Puts a function in the place of a constructor: same prototype, same properties. */
  function putConstructor(home, name, guard) {
    const original = home[name];
    const descriptors = Object.getOwnPropertyDescriptors(original);
    const keys = ReflectOwnKeys(descriptors);
    for (let i = 0; i < keys.length; i++) ObjectDefineProperty(guard, keys[i], descriptors[keys[i]]);
    ObjectSetPrototypeOf(guard, ObjectGetPrototypeOf(original));
    replaceValue(home, name, guard);
    if (original.prototype === undefined) return;
    ObjectDefineProperty(original.prototype, 'constructor', { __proto__: null, value: guard });
  }

  function guardConstructors() {
    // Not RegExp: a prototype with another `constructor` takes all regular expressions off V8's fast paths (`replace` 15
    // and `split` 50 times slower). V8's flag `--regexp-tier-up-ticks=1` keeps huge patterns from ending the process.

    // Without `maxByteLength`: what a resizable buffer reserves is not held by the allocator.
    putConstructor(globalThis, 'ArrayBuffer', function (length) {
      if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'");
      return ReflectConstruct(ArrayBuffer, [length], new.target);
    });

    // Not the constructors of functions: V8 itself refuses to make code of text, before it looks at the text.

    // Bound, since Proxy has no prototype of its own.
    const guard = FunctionPrototypeBind(function (target, handler) {
      hasProxies = true;
      if (ArrayIsArray(target)) hasArrayProxies = true;
      if (new.target === undefined) throw new TypeError("Constructor Proxy requires 'new'");
      return new Proxy(target, handler);
    }, undefined);
    putConstructor(globalThis, 'Proxy', guard);
    const { revocable } = Proxy;
    putGuard(guard, 'revocable', {
      revocable(target, handler) {
        hasProxies = true;
        if (ArrayIsArray(target)) hasArrayProxies = true;
        return revocable(target, handler);
      },
    }.revocable);
  }

  for (let i = 0; i < guardedArrayMethods.length; i++) guardArrayMethod(guardedArrayMethods[i]);
  guardFlat();
  guardConcat();
  guardFrom(Array, MAX_ELEMENTS);
  guardFrom(TypedArray, MAX_CHARACTERS);
  guardTypedSort('sort');
  guardTypedSort('toSorted');
  guardRaw();
  guardParts('split', true);
  guardParts('replaceAll', true);
  guardParts('replace', false);
  guardPatternMethod('match');
  guardPatternMethod('matchAll');
  guardPatternMethod('search');
  const text = ['normalize', 'localeCompare', 'toUpperCase', 'toLowerCase', 'toLocaleUpperCase', 'toLocaleLowerCase'];
  for (let i = 0; i < text.length; i++) guardTextMethod(String.prototype, text[i], MAX_CHARACTERS);
  const functions = ['encodeURI', 'encodeURIComponent', 'decodeURI', 'decodeURIComponent', 'escape', 'unescape'];
  for (let i = 0; i < functions.length; i++) guardTextFunction(functions[i]);
  const listing = ['keys', 'values', 'entries', 'getOwnPropertyNames', 'getOwnPropertyDescriptors'];
  for (let i = 0; i < listing.length; i++) guardNames(Object, listing[i], 0);
  guardNames(Object, 'assign', 1);
  guardNames(Reflect, 'ownKeys', 0);
  guardConstructors();
  // Without what growing it left over, since every isolate has it.
  unguarded = ArrayPrototypeSlice(unguarded);
}

function removeGuards() {
  for (let i = unguarded.length - 2; i >= 0; i -= 2) {
    const value = unguarded[i + 1];
    ObjectDefineProperty(unguarded[i], value.name, { __proto__: null, value });
    if (value.prototype !== undefined) ObjectDefineProperty(value.prototype, 'constructor', { __proto__: null, value });
  }
  unguarded.length = 0;
}
