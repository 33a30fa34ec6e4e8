// What a plugin has of Node. For projects without @types/node: `"types": ["@mimir/plugin/globals"]` in tsconfig.json.

/** The variables that plugin.yml names under `capabilities.env` and the user granted. */
declare var process: { readonly env: { readonly [name: string]: string | undefined } };

/** The same as `node:path`. */
declare var path: typeof import('node:path').default;

declare module 'node:path' {
  interface ParsedPath {
    root: string;
    dir: string;
    base: string;
    ext: string;
    name: string;
  }
  interface Path {
    readonly sep: string;
    readonly delimiter: string;
    readonly posix: Path;
    basename(path: string, suffix?: string): string;
    dirname(path: string): string;
    extname(path: string): string;
    format(path: Partial<ParsedPath>): string;
    isAbsolute(path: string): boolean;
    join(...paths: string[]): string;
    normalize(path: string): string;
    parse(path: string): ParsedPath;
    relative(from: string, to: string): string;
    resolve(...paths: string[]): string;
  }
  const path: Path;
  export default path;
  export const sep: string;
  export const delimiter: string;
  export const posix: Path;
  export const basename: Path['basename'];
  export const dirname: Path['dirname'];
  export const extname: Path['extname'];
  export const format: Path['format'];
  export const isAbsolute: Path['isAbsolute'];
  export const join: Path['join'];
  export const normalize: Path['normalize'];
  export const parse: Path['parse'];
  export const relative: Path['relative'];
  export const resolve: Path['resolve'];
}
