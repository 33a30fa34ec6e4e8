/** What the plugin needs to know about the project to decide whether a formatter is set up. */
export interface Project {
  exists(path: string): Promise<boolean>;
  /** The text of a file, or an empty one if there is none. */
  read(path: string): Promise<string>;
}

export interface Formatter {
  name: string;
  extensions: string[];
  /** The argument vector for `file`, or nothing if the project does not use this formatter. */
  command(file: string, project: Project): Promise<string[] | undefined>;
}

const PRETTIER =
  'js jsx mjs cjs ts tsx mts cts json jsonc json5 css scss less html vue svelte md mdx yaml yml graphql gql hbs'.split(
    ' ',
  );

/** In the order in which they are asked: the first that is set up for a file's extension formats it. */
export const FORMATTERS: Formatter[] = [
  {
    name: 'biome',
    extensions: ['js', 'jsx', 'mjs', 'cjs', 'ts', 'tsx', 'mts', 'cts', 'json', 'jsonc', 'css', 'graphql'],
    async command(file, project) {
      const isSetUp = (await project.exists('biome.json')) || (await project.exists('biome.jsonc'));
      const bin = 'node_modules/@biomejs/biome/bin/biome';
      return isSetUp && (await project.exists(bin)) ? ['node', bin, 'format', '--write', file] : undefined;
    },
  },
  {
    name: 'prettier',
    extensions: PRETTIER,
    // The project's own version, never one from the network. Installed means wanted; Prettier itself reads the
    // project's settings and its .prettierignore.
    async command(file, project) {
      for (const bin of ['node_modules/prettier/bin/prettier.cjs', 'node_modules/prettier/bin-prettier.js']) {
        if (await project.exists(bin)) return ['node', bin, '--write', file];
      }
      return undefined;
    },
  },
  {
    name: 'gofmt',
    extensions: ['go'],
    async command(file, project) {
      return (await project.exists('go.mod')) || (await project.exists('go.work')) ? ['gofmt', '-w', file] : undefined;
    },
  },
  {
    name: 'rustfmt',
    extensions: ['rs'],
    // Called by itself, rustfmt does not look into Cargo.toml and would read every file as Rust 2015.
    async command(file, project) {
      if (!(await project.exists('Cargo.toml'))) return undefined;
      const edition = /^\s*edition\s*=\s*"(\d{4})"/m.exec(await project.read('Cargo.toml'))?.[1] ?? '2021';
      return ['rustfmt', '--edition', edition, file];
    },
  },
  {
    name: 'ruff',
    extensions: ['py', 'pyi'],
    async command(file, project) {
      const isSetUp =
        (await project.exists('ruff.toml')) ||
        (await project.exists('.ruff.toml')) ||
        /^\[tool\.ruff\b/m.test(await project.read('pyproject.toml'));
      return isSetUp ? ['ruff', 'format', '--quiet', file] : undefined;
    },
  },
  {
    name: 'black',
    extensions: ['py', 'pyi'],
    async command(file, project) {
      return /^\[tool\.black\]/m.test(await project.read('pyproject.toml')) ? ['black', '--quiet', file] : undefined;
    },
  },
  {
    name: 'clang-format',
    extensions: ['c', 'h', 'cc', 'cpp', 'cxx', 'hpp', 'hh', 'm', 'mm', 'proto'],
    async command(file, project) {
      return (await project.exists('.clang-format')) ? ['clang-format', '-i', file] : undefined;
    },
  },
];
