// `path` and `node:path`: the POSIX half of Node's module (https://nodejs.org/api/path.html). There is no working
// directory in an isolate: `resolve` and `relative` take the project's root for it, which the runtime sets at boot.

function workingDirectory() {
  return contextData().project?.root ?? '/';
}

const loadPath = once(() => {
  const SLASH = 47;
  const DOT = 46;

  function text(value, name) {
    if (typeof value !== 'string') {
      const error = new TypeError(`The "${name}" argument must be of type string. Received ${
        value === null ? 'null' : typeof value}`);
      ownProperty(error, 'code', 'ERR_INVALID_ARG_TYPE');
      throw error;
    }
    return value;
  }

  // The path's segments without `.`, empty ones and what `..` takes back. An absolute path has nothing above its root.
  function segments(path, isAbsolute) {
    const parts = StringPrototypeSplit(path, '/');
    const kept = [];
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      if (part === '' || part === '.') continue;
      if (part !== '..') ArrayPrototypePush(kept, part);
      else if (kept.length > 0 && kept[kept.length - 1] !== '..') ArrayPrototypePop(kept);
      else if (!isAbsolute) ArrayPrototypePush(kept, part);
    }
    return kept;
  }

  function isAbsolute(path) {
    return text(path, 'path').length > 0 && StringPrototypeCharCodeAt(path, 0) === SLASH;
  }

  function normalize(path) {
    if (text(path, 'path') === '') return '.';
    const absolute = isAbsolute(path);
    let result = ArrayPrototypeJoin(segments(path, absolute), '/');
    if (result === '' && !absolute) result = '.';
    if (result !== '' && StringPrototypeEndsWith(path, '/')) result += '/';
    return absolute ? `/${result}` : result;
  }

  function join(...paths) {
    const given = [];
    for (let i = 0; i < paths.length; i++) if (text(paths[i], 'path') !== '') ArrayPrototypePush(given, paths[i]);
    return given.length === 0 ? '.' : normalize(ArrayPrototypeJoin(given, '/'));
  }

  function resolve(...paths) {
    let path = '';
    for (let i = paths.length - 1; i >= 0 && !isAbsolute(path); i--) {
      if (text(paths[i], `paths[${i}]`) !== '') path = path === '' ? paths[i] : `${paths[i]}/${path}`;
    }
    if (!isAbsolute(path)) path = `${workingDirectory()}/${path}`;
    return `/${ArrayPrototypeJoin(segments(path, true), '/')}`;
  }

  function relative(from, to) {
    if (text(from, 'from') === text(to, 'to')) return '';
    const a = segments(resolve(from), true);
    const b = segments(resolve(to), true);
    let common = 0;
    while (common < a.length && common < b.length && a[common] === b[common]) common += 1;
    const parts = [];
    for (let i = common; i < a.length; i++) ArrayPrototypePush(parts, '..');
    for (let i = common; i < b.length; i++) ArrayPrototypePush(parts, b[i]);
    return ArrayPrototypeJoin(parts, '/');
  }

  // Where the last segment begins and ends, trailing slashes aside.
  function lastSegment(path) {
    let end = path.length;
    while (end > 0 && StringPrototypeCharCodeAt(path, end - 1) === SLASH) end -= 1;
    const start = end === 0 ? 0 : StringPrototypeLastIndexOf(path, '/', end - 1) + 1;
    return { start, end };
  }

  function dirname(path) {
    if (text(path, 'path') === '') return '.';
    const { start } = lastSegment(path);
    if (start === 0) return StringPrototypeCharCodeAt(path, 0) === SLASH ? '/' : '.';
    // One separator belongs to the segment, the ones before it to the folder's name; `//a` lies in `//`.
    if (start === 1) return '/';
    const folder = StringPrototypeSlice(path, 0, start - 1);
    return folder === '/' && start === 2 ? '//' : folder;
  }

  function basename(path, suffix) {
    if (suffix !== undefined) text(suffix, 'suffix');
    const { start, end } = lastSegment(text(path, 'path'));
    const base = StringPrototypeSlice(path, start, end);
    return suffix !== undefined && suffix !== base && suffix !== '' && StringPrototypeEndsWith(base, suffix)
      ? StringPrototypeSlice(base, 0, base.length - suffix.length)
      : base;
  }

  function extname(path) {
    return extension(basename(text(path, 'path')));
  }

  // A dot at the beginning makes a hidden file, not an extension; `..` is a folder.
  function extension(base) {
    const dot = StringPrototypeLastIndexOf(base, '.');
    return dot <= 0 || base === '..' ? '' : StringPrototypeSlice(base, dot);
  }

  function parse(path) {
    text(path, 'path');
    const root = isAbsolute(path) ? '/' : '';
    const { start, end } = lastSegment(path);
    const base = StringPrototypeSlice(path, start, end);
    const ext = extension(base);
    const dir = start > 1 ? StringPrototypeSlice(path, 0, start - 1) : root;
    return { root, dir, base, ext, name: StringPrototypeSlice(base, 0, base.length - ext.length) };
  }

  function format(parts) {
    if (!isObject(parts)) {
      const error = new TypeError('The "pathObject" argument must be of type object');
      ownProperty(error, 'code', 'ERR_INVALID_ARG_TYPE');
      throw error;
    }
    const { root, dir, base, name, ext } = parts;
    const extended = ext ? `${ext[0] === '.' ? '' : '.'}${ext}` : '';
    const file = base || `${name || ''}${extended}`;
    const folder = dir || root;
    if (!folder) return file;
    return folder === root ? `${folder}${file}` : `${folder}/${file}`;
  }

  const path = {
    resolve, normalize, isAbsolute, join, relative, toNamespacedPath: (value) => value, dirname, basename, extname,
    format, parse, sep: '/', delimiter: ':', posix: null,
  };
  path.posix = path;
  return { path };
});

lazyGlobals(loadPath, ['path']);
