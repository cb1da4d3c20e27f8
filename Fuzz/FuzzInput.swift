import FogCore

/// The bytes of one run, as libFuzzer hands them over.
func input(_ data: UnsafePointer<UInt8>?, _ size: Int) -> [UInt8] {
    Array(UnsafeBufferPointer(start: data, count: data == nil ? 0 : size))
}

/// A property that must hold whatever comes; its end is a finding.
func hold(_ condition: Bool, _ words: @autoclosure () -> String) {
    if !condition { fatalError("property broken: \(words())") }
}
