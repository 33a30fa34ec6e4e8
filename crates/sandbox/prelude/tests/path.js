test('path', () => {
  for (const [name, args, expected] of [
    ['join', ['a', '', '../..', 'b/'], '../b/'], ['join', [], '.'], ['join', ['', ''], '.'], ['join', ['/a', '/b'], '/a/b'],
    ['join', ['a//b', './c'], 'a/b/c'],
    ['normalize', [''], '.'], ['normalize', ['//a/./b//..'], '/a'], ['normalize', ['./'], './'], ['normalize', ['/..'], '/'],
    ['normalize', ['a/../..'], '..'], ['normalize', ['../../a/'], '../../a/'],
    ['resolve', ['/a', '..', 'b', './c/'], '/b/c'], ['resolve', ['/a', '/b'], '/b'], ['resolve', ['/'], '/'],
    ['relative', ['/a/b/c', '/a/d'], '../../d'], ['relative', ['/a', '/a'], ''], ['relative', ['/a', '/a/b/c'], 'b/c'],
    ['relative', ['/a/bc', '/a/b'], '../b'],
    ['dirname', ['/a/b/'], '/a'], ['dirname', ['a'], '.'], ['dirname', ['/a'], '/'], ['dirname', ['//a'], '//'],
    ['dirname', [''], '.'], ['dirname', ['a//b'], 'a/'],
    ['basename', ['/a/b.js', '.js'], 'b'], ['basename', ['.js', '.js'], '.js'], ['basename', ['a/'], 'a'], ['basename', ['/'], ''],
    ['extname', ['a.b.c'], '.c'], ['extname', ['.a'], ''], ['extname', ['a.'], '.'], ['extname', ['..'], ''], ['extname', ['a/.b.c/'], '.c'],
    ['isAbsolute', ['/a'], true], ['isAbsolute', ['a'], false], ['isAbsolute', [''], false],
    ['parse', ['/a/b.c'], { root: '/', dir: '/a', base: 'b.c', ext: '.c', name: 'b' }],
    ['parse', ['./x'], { root: '', dir: '.', base: 'x', ext: '', name: 'x' }],
    ['parse', ['/'], { root: '/', dir: '/', base: '', ext: '', name: '' }],
    ['format', [{ dir: '/a', base: 'b' }], '/a/b'], ['format', [{ root: '/', name: 'f', ext: 'x' }], '/f.x'],
    ['format', [{ dir: 'a', base: 'b', name: 'no', ext: '.no' }], 'a/b'], ['format', [{}], ''],
    ['toNamespacedPath', ['/a'], '/a'],
  ]) check(path[name](...args), expected, `${name}(${JSON.stringify(args).slice(1, -1)})`);
  check([path.sep, path.delimiter, path.posix === path], ['/', ':', true]);
  throws(() => path.join('a', 1), 'TypeError');
  throws(() => path.basename('a', 1), 'TypeError');
  try {
    path.dirname(null);
  } catch (error) {
    check(error.code, 'ERR_INVALID_ARG_TYPE');
  }
});
