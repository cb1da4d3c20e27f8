/// A systematic Reed-Solomon code against losses: a block of k data fragments has up to 255 fragments in all, and any k
/// of them give the data back.
///
/// The parity rows are a Cauchy matrix, of which every square part is invertible (Blömer, Kalfane, Karp, Karpinski, Luby,
/// Zuckerman 1995, section 4): parity fragment j is the sum of d_i / (j + i) over the data fragments i, in GF(2^8).
struct ErasureCode: Sendable {
    /// Fragments of one block, data and parity.
    static let fragmentsLimit = 255

    let dataCount: Int

    init(dataCount: Int) {
        precondition((1..<Self.fragmentsLimit).contains(dataCount), "a block has 1 to 254 data fragments")
        self.dataCount = dataCount
    }

    /// - Parameter index: `dataCount` and up, below ``fragmentsLimit``.
    func parity(_ index: Int, of data: [[UInt8]]) -> [UInt8] {
        precondition(data.count == dataCount, "a block of \(dataCount) fragments has \(data.count)")
        var parity = [UInt8](repeating: 0, count: data[0].count)
        for (column, fragment) in data.enumerated() {
            GaloisField.add(coefficient(index, column), times: fragment, to: &parity)
        }
        return parity
    }

    /// The data of a block, from any `dataCount` of its fragments by their index; nil with fewer.
    func recover(_ fragments: [Int: [UInt8]]) -> [[UInt8]]? {
        guard fragments.count >= dataCount else { return nil }
        let missing = (0..<dataCount).filter { fragments[$0] == nil }
        let rows = fragments.keys.filter { $0 >= dataCount }.sorted().prefix(missing.count)
        guard rows.count == missing.count else { return nil }
        // What the missing fragments add to each parity fragment.
        let sums = rows.map { row in
            var sum = fragments[row] ?? []
            for column in 0..<dataCount {
                guard let fragment = fragments[column] else { continue }
                GaloisField.add(coefficient(row, column), times: fragment, to: &sum)
            }
            return sum
        }
        let inverse = Self.invert(rows.map { row in missing.map { coefficient(row, $0) } })
        var data = (0..<dataCount).map { fragments[$0] ?? [] }
        for (position, column) in missing.enumerated() {
            var fragment = [UInt8](repeating: 0, count: sums[position].count)
            for (factor, sum) in zip(inverse[position], sums) { GaloisField.add(factor, times: sum, to: &fragment) }
            data[column] = fragment
        }
        return data
    }

    private func coefficient(_ row: Int, _ column: Int) -> UInt8 { GaloisField.inverse(UInt8(row ^ column)) }

    /// Gauss and Jordan's elimination; a square part of a Cauchy matrix always has an inverse.
    private static func invert(_ matrix: [[UInt8]]) -> [[UInt8]] {
        let size = matrix.count
        var rows = matrix.enumerated().map { number, row in
            row + (0..<size).map { $0 == number ? 1 : 0 }
        }
        for column in 0..<size {
            guard let pivot = (column..<size).first(where: { rows[$0][column] != 0 }) else {
                preconditionFailure("a part of a Cauchy matrix has no inverse")
            }
            rows.swapAt(column, pivot)
            let scale = GaloisField.inverse(rows[column][column])
            rows[column] = rows[column].map { GaloisField.multiply($0, scale) }
            let pivotRow = rows[column]
            for row in 0..<size where row != column {
                GaloisField.add(rows[row][column], times: pivotRow, to: &rows[row])
            }
        }
        return rows.map { Array($0[size...]) }
    }
}
