// A program of one file that is nowhere on disk, with the settings of the project.
import { join } from 'node:path';
import ts from 'typescript';

/**
 * @param {string} root of the package
 * @param {string} path where the file would be, for what it imports
 * @param {string} code
 * @returns {ts.Program}
 */
export function virtualProgram(root, path, code) {
  const read = ts.readConfigFile(join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file));
  const config = /** @type {unknown} */ (read.config);
  const { options } = ts.parseJsonConfigFileContent(config, { ...ts.sys, readDirectory: () => [] }, root);
  const host = ts.createCompilerHost(options);
  const getSourceFile = host.getSourceFile.bind(host);
  const fileExists = host.fileExists.bind(host);
  host.fileExists = (file) => file === path || fileExists(file);
  host.getSourceFile = (file, version, ...rest) =>
    file === path ? ts.createSourceFile(path, code, version) : getSourceFile(file, version, ...rest);
  return ts.createProgram([path], options, host);
}
