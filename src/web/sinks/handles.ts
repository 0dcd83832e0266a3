/** What is used of the browsers' file handles, in the terms of their standard. */

/** A `FileSystemWritableFileStream`: what it takes appears in the file when it is closed. */
export interface WritableFile {
  write(piece: {
    readonly type: "write";
    readonly position: number;
    readonly data: Uint8Array<ArrayBuffer>;
  }): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
  abort(reason?: unknown): Promise<void>;
}

/** A `FileSystemSyncAccessHandle`: it writes to the file itself. */
export interface AccessedFile {
  read(target: Uint8Array<ArrayBuffer>, options: { readonly at: number }): number;
  write(bytes: Uint8Array<ArrayBuffer>, options: { readonly at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

/** A `FileSystemFileHandle`. What is marked as optional is not in every browser. */
export interface FileHandleLike {
  readonly kind: "file";
  readonly name: string;
  getFile(): Promise<File>;
  createWritable?(): Promise<WritableFile>;
  /** In Workers, for files of the origin's private file system. */
  createSyncAccessHandle?(): Promise<AccessedFile>;
  move?(directory: DirectoryHandleLike, name: string): Promise<void>;
  remove?(): Promise<void>;
}

/** A `FileSystemDirectoryHandle`. */
export interface DirectoryHandleLike {
  readonly kind: "directory";
  readonly name: string;
  keys(): AsyncIterable<string>;
  getFileHandle(name: string, options?: { readonly create?: boolean }): Promise<FileHandleLike>;
  getDirectoryHandle(
    name: string,
    options?: { readonly create?: boolean },
  ): Promise<DirectoryHandleLike>;
  removeEntry(name: string): Promise<void>;
}
