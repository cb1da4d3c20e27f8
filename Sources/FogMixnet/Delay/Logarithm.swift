internal import Glibc

/// What of the C library's mathematics is used here.
enum Logarithm {
    static func natural(_ value: Double) -> Double { log(value) }
    static func binary(_ value: Double) -> Double { log2(value) }
}
