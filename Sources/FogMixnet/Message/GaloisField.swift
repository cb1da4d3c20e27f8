/// Arithmetic in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, in which 2 generates every element but zero: the field of
/// Reed-Solomon codes over bytes (RFC 5510 section 8.1).
enum GaloisField {
    private static let polynomial = 0x11d
    private static let order = 255

    private static let powers: [UInt8] = {
        var table = [UInt8](repeating: 0, count: 2 * order)
        var value = 1
        for exponent in 0..<order {
            table[exponent] = UInt8(value)
            table[exponent + order] = UInt8(value)
            value <<= 1
            if value > order { value ^= polynomial }
        }
        return table
    }()

    private static let logarithms: [Int] = {
        var table = [Int](repeating: 0, count: 256)
        for exponent in 0..<order { table[Int(powers[exponent])] = exponent }
        return table
    }()

    /// All products: row by row of the first factor, 64 KiB.
    private static let products: [UInt8] = {
        var table = [UInt8](repeating: 0, count: 1 << 16)
        for first in 1..<256 {
            for second in 1..<256 { table[first << 8 | second] = powers[logarithms[first] + logarithms[second]] }
        }
        return table
    }()

    static func multiply(_ first: UInt8, _ second: UInt8) -> UInt8 { products[Int(first) << 8 | Int(second)] }

    static func inverse(_ value: UInt8) -> UInt8 {
        precondition(value != 0, "zero has no inverse")
        return powers[order - logarithms[Int(value)]]
    }

    /// target += factor * source, byte by byte.
    static func add(_ factor: UInt8, times source: [UInt8], to target: inout [UInt8]) {
        precondition(source.count == target.count, "fragments of one block are of one length")
        guard factor != 0 else { return }
        products.withUnsafeBufferPointer { products in
            source.withUnsafeBufferPointer { source in
                target.withUnsafeMutableBufferPointer { target in
                    guard let row = products.baseAddress.map({ $0 + Int(factor) << 8 }), let from = source.baseAddress,
                        let to = target.baseAddress
                    else { return }
                    var index = 0
                    let count = source.count
                    while index < count {
                        to[index] ^= row[Int(from[index])]
                        index &+= 1
                    }
                }
            }
        }
    }
}
