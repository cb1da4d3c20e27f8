import Dispatch
import FogCore
import Glibc

/// Finds out which programs a task would find, and their versions, by running each once.
enum ProgramProbe {
    /// What jobs ask for by `requires`, and how each tells its version. A program whose output has none counts as there.
    static let known: [(name: String, arguments: [String])] = [
        ("bash", ["--version"]), ("blender", ["--version"]), ("cargo", ["--version"]), ("clang", ["--version"]),
        ("cmake", ["--version"]), ("convert", ["-version"]), ("curl", ["--version"]), ("ffmpeg", ["-version"]),
        ("g++", ["--version"]), ("gcc", ["--version"]), ("gdal_translate", ["--version"]), ("git", ["--version"]),
        ("gnuplot", ["--version"]), ("go", ["version"]), ("gromacs", ["--version"]), ("java", ["-version"]),
        ("julia", ["--version"]), ("latex", ["--version"]), ("magick", ["-version"]), ("make", ["--version"]),
        ("node", ["--version"]), ("octave", ["--version"]), ("openssl", ["version"]), ("pandoc", ["--version"]),
        ("perl", ["--version"]), ("php", ["--version"]), ("povray", ["--version"]), ("python3", ["--version"]),
        ("Rscript", ["--version"]), ("ruby", ["--version"]), ("rustc", ["--version"]), ("samtools", ["--version"]),
        ("sox", ["--version"]), ("sqlite3", ["--version"]), ("swift", ["--version"]), ("tar", ["--version"]),
        ("unzip", ["-v"]), ("xz", ["--version"]), ("zstd", ["--version"]),
    ]
    /// The PATH of tasks: what lies elsewhere they do not see.
    static let path = ["/usr/local/bin", "/usr/bin", "/bin"]
    static let patience = TimeSpan.seconds(5)
    private static let outputLimit = 4096

    /// Programs that an owner may name beside those known.
    static let maxMore = 256

    /// What is wrong with programs that an owner names, or nil.
    static func mistake(in names: [String]) -> String? {
        guard names.count <= maxMore else { return "at most \(maxMore) programs, found \(names.count)" }
        let bad = names.first { name in
            name.isEmpty || name.utf8.count > 63 || name.hasPrefix(".") || name.hasPrefix("-")
                || !name.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0)
                        || Array("+-._".utf8).contains($0)
                }
        }
        return bad.map { "a program is named without its folder, as manifests ask for it, found `\($0)`" }
    }

    /// Versions by name. Takes as long as the slowest program, a few at a time; call it off the cooperative threads.
    /// - Parameter more: names to look for beside ``known``; they are asked by `--version`.
    static func run(adding more: [String] = []) -> [String: String] {
        let names = Set(known.map(\.name))
        let all = known + Set(more).subtracting(names).sorted().map { ($0, ["--version"]) }
        let found = all.compactMap { program in locate(program.name).map { (program.name, $0, program.arguments) } }
        let versions = VersionBox()
        DispatchQueue.concurrentPerform(iterations: found.count) { index in
            let (name, path, arguments) = found[index]
            versions.set(name, version(in: output(of: path, arguments)))
        }
        return versions.all
    }

    static func locate(_ name: String) -> String? {
        for folder in path {
            let candidate = folder + "/" + name
            var status = stat()
            if stat(candidate, &status) == 0, status.st_mode & S_IFMT == S_IFREG, access(candidate, X_OK) == 0 {
                return candidate
            }
        }
        return nil
    }

    /// The number of the first word that is one with a dot, letters before it aside: `3.11.2`, `v18.19`, `go1.21`; ""
    /// when there is none.
    static func version(in text: String) -> String {
        for word in text.prefix(400).split(whereSeparator: { $0.isWhitespace || "(),\"".contains($0) }) {
            let number = word.drop { $0.isASCII && $0.isLetter }.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            if number.contains("."), number.first?.isNumber == true, number.last?.isNumber == true {
                return String(number)
            }
        }
        return ""
    }

    /// What a program writes, at most ``outputLimit`` bytes and for at most ``patience``; then it is killed.
    private static func output(of path: String, _ arguments: [String]) -> String {
        var pair: [Int32] = [-1, -1]
        guard pipe(&pair) == 0 else { return "" }
        defer { close(pair[0]) }
        for end in pair { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let pid = start(path, arguments, output: pair[1])
        close(pair[1])
        guard pid > 0 else { return "" }
        let deadline = SystemClock().sinceBoot + patience
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: outputLimit)
        while bytes.count < outputLimit {
            let left = deadline - SystemClock().sinceBoot
            var polled = pollfd(fd: pair[0], events: Int16(POLLIN), revents: 0)
            guard left > .zero, poll(&polled, 1, Int32(left.milliseconds)) > 0 else { break }
            let count = read(pair[0], &piece, piece.count)
            guard count > 0 else { break }
            bytes += piece.prefix(count)
        }
        kill(-pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return String(decoding: bytes, as: UTF8.self)
    }

    /// In a process group of its own, so that what it starts can be ended with it.
    private static func start(_ path: String, _ arguments: [String], output: Int32) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var words: [UnsafeMutablePointer<CChar>?] = Self.copies([path] + arguments)
        var environment: [UnsafeMutablePointer<CChar>?] =
            Self.copies(["PATH=" + Self.path.joined(separator: ":"), "LANG=C.UTF-8", "HOME=/"])
        defer { for word in words + environment { free(word) } }
        var pid: pid_t = 0
        return posix_spawn(&pid, path, &actions, &attributes, &words, &environment) == 0 ? pid : -1
    }

    /// To be freed by the caller; ends in nil, as exec wants it.
    private static func copies(_ words: [String]) -> [UnsafeMutablePointer<CChar>?] {
        var copies: [UnsafeMutablePointer<CChar>?] = []
        for word in words { copies.append(strdup(word)) }
        copies.append(nil)
        return copies
    }
}
