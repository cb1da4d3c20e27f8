import Glibc

/// Writes a seed into the folder that FUZZ_SEEDS names; nothing without it.
func writeSeed(_ name: String, _ bytes: [UInt8]) {
    guard let folder = getenv("FUZZ_SEEDS").map({ String(cString: $0) }) else { return }
    guard let file = fopen("\(folder)/made-\(name)", "w") else { return }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
}
