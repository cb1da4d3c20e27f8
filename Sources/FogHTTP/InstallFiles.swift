internal import FogAPI
package import FogCore
internal import FogNet
internal import Glibc

/// Packages that a coordinator hands to machines that want to join: `GET /install`, `GET /install/NAME` and a script
/// that fetches and checks the right one, `GET /install.sh`.
///
/// A file is sent in pieces of at most 4 MiB (`?part=N`, from 0), so that many machines at once cost little memory.
package struct InstallFiles: Sendable {
    package struct Item: Sendable, Hashable {
        package let name: String
        package let size: Int64
        /// SHA-256, as sha256sum(1) prints it.
        package let digest: Digest

        package var parts: Int64 { max(1, (size + InstallFiles.partBytes - 1) / InstallFiles.partBytes) }
    }

    package static let partBytes: Int64 = 4 << 20
    private static let limit = 64

    package let items: [Item]
    private let folder: String

    /// Reads the folder once; what is put there later is not served.
    /// - Throws: `bad_install_files` when it cannot be read, holds nothing to install, or more than 64 files.
    package init(folder: String) throws(InstallFailure) {
        guard let stream = opendir(folder) else {
            throw InstallFailure("\(folder) cannot be read: \(String(cString: strerror(errno)))")
        }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if Self.isPackage(name) { names.append(name) }
        }
        closedir(stream)
        guard (1...Self.limit).contains(names.count) else {
            throw InstallFailure(
                "\(folder) holds \(names.count) packages (.tar.gz or .deb, of letters, digits, `.`, `-`, `_`, `+`), wanted 1 to \(Self.limit)"
            )
        }
        self.folder = folder
        var items: [Item] = []
        for name in names.sorted() { items.append(try Self.item(name, in: folder)) }
        self.items = items
    }

    private static func isPackage(_ name: String) -> Bool {
        (name.hasSuffix(".tar.gz") || name.hasSuffix(".deb")) && !name.hasPrefix(".") && name.utf8.count <= 128
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2b, 0x2d, 0x2e, 0x5f: true
                default: false
                }
            }
    }

    private static func item(_ name: String, in folder: String) throws(InstallFailure) -> Item {
        let path = "\(folder)/\(name)"
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        // Not fstat(2): its structure is also declared by the network library's C part, which is not ours to import.
        let size = descriptor >= 0 ? Int(lseek(descriptor, 0, SEEK_END)) : -1
        guard size > 0 else {
            if descriptor >= 0 { close(descriptor) }
            throw InstallFailure("\(path) is no file with content, or cannot be read")
        }
        defer { close(descriptor) }
        guard let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), memory != MAP_FAILED else {
            throw InstallFailure("\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { munmap(memory, size) }
        return Item(
            name: name, size: Int64(size), digest: Digest.sha256(UnsafeRawBufferPointer(start: memory, count: size)))
    }

    // MARK: - Answers

    /// Nil for what does not ask for something to install.
    /// - Parameter files: nil = none are handed out, which is said.
    /// - Parameter url: where machines reach this coordinator.
    static func answer(_ request: CarrierRequest, of files: InstallFiles?, url: String) -> CarrierResponse? {
        let path = request.path
        guard request.method == "GET", path == "/install" || path == "/install.sh" || path.hasPrefix(folderPath) else {
            return nil
        }
        guard let files else {
            return Problem(
                404, "not_found", "this coordinator hands out no packages: `fog coordinator run --install-files` does"
            ).response
        }
        switch path {
        case "/install": return .text(files.list)
        case "/install.sh": return .text(files.script(url: url))
        default: return files.file(path.dropFirst(folderPath.count), query: request.query)
        }
    }

    private static let folderPath = "/install/"

    /// Lines as sha256sum(1) reads them.
    private var list: String { items.map { "\($0.digest)  \($0.name)\n" }.joined() }

    private func file(_ escaped: Substring, query: String) -> CarrierResponse {
        let name = percentDecoded(escaped)
        guard let item = items.first(where: { $0.name == name }) else {
            return Problem(404, "not_found", "there is no such package; `/install` lists them").response
        }
        do throws(Problem) {
            return part(try Self.part(query, of: item), of: item)
        } catch {
            return error.response
        }
    }

    /// A package of one part need not say which.
    private static func part(_ query: String, of item: Item) throws(Problem) -> Int64 {
        let parameters = try RouteParameters(
            path: [:], query: query, known: [.part])
        let wanted = try parameters.byteCount("part") ?? (item.parts == 1 ? 0 : -1)
        guard (0..<item.parts).contains(wanted) else {
            throw Problem(
                400, "bad_query",
                "\(item.name) comes in \(item.parts) parts of 4 MiB: ?part=0 to ?part=\(item.parts - 1)")
        }
        return wanted
    }

    private func part(_ part: Int64, of item: Item) -> CarrierResponse {
        let descriptor = open("\(folder)/\(item.name)", O_RDONLY | O_CLOEXEC)
        defer { if descriptor >= 0 { close(descriptor) } }
        let offset = part * Self.partBytes
        let count = Int(min(Self.partBytes, item.size - offset))
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while descriptor >= 0, filled < count {
                let got = pread(
                    descriptor, buffer.baseAddress.map { UnsafeMutableRawPointer($0 + filled) }, count - filled,
                    Int(offset) + filled)
                if got < 0, errno == EINTR { continue }
                guard got > 0 else { return }
                filled += got
            }
        }
        guard bytes.count == count else {
            return Problem(
                503, "package_changed", "\(item.name) is not what it was when the coordinator started"
            ).response
        }
        return CarrierResponse(status: 200, headers: ["content-type": "application/octet-stream"], body: bytes)
    }

    /// Fetches the archive for the machine's architecture, checks it, and lays it below a folder.
    private func script(url: String) -> String {
        let archives = items.filter { $0.name.hasSuffix(".tar.gz") }
        let rows = archives.map { "\($0.name) \($0.digest) \($0.parts)" }.joined(separator: "\n")
        return """
            #!/bin/sh
            # Fetches Fog from this coordinator, checks it against its digest, and lays it below a folder:
            #   curl -fsS \(url)/install.sh | sh -s -- [FOLDER]        (default: ~/.local)
            # FOG_CURL holds further flags of curl, such as --cacert FILE.
            set -eu
            url='\(url)'
            to=${1:-$HOME/.local}
            machine=$(uname -m)
            table='\(rows)'
            row=$(printf '%s\\n' "$table" | grep -e "-linux-$machine\\.tar\\.gz " | tail -n 1) || true
            [ -n "$row" ] || { echo "install.sh: there is no package for $machine at $url" >&2; exit 1; }
            set -- $row
            name=$1 digest=$2 parts=$3
            folder=$(mktemp -d)
            trap 'rm -rf "$folder"' EXIT
            part=0
            while [ "$part" -lt "$parts" ]; do
                curl -fsS ${FOG_CURL:-} "$url/install/$name?part=$part" >> "$folder/$name"
                part=$((part + 1))
            done
            printf '%s  %s\\n' "$digest" "$folder/$name" | sha256sum --check --status || {
                echo "install.sh: $name is not what its digest says; nothing was installed" >&2
                exit 1
            }
            mkdir -p "$to"
            tar -xzf "$folder/$name" -C "$to" --strip-components=1
            echo "installed: $to/bin/fog"
            echo "next: $to/bin/fog join TOKEN, then $to/bin/fog worker run"

            """
    }
}

/// The folder of packages cannot be served.
package struct InstallFailure: CodedFailure, Equatable {
    package let code = "bad_install_files"
    package let message: String

    init(_ message: String) { self.message = message }
}
