// swift-tools-version:6.2
import PackageDescription

/// What every Swift target of Fog is built with. The import check (`--explicit-target-dependency-import-check error`)
/// is a command-line flag only; `Scripts/build` passes it.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]
let cStrict: [CSetting] = [
    .define("_GNU_SOURCE"),
    .treatAllWarnings(as: .error),
    .enableWarning("all"),
    .enableWarning("extra"),
]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
    name: "fog",
    products: [
        .executable(name: "fog", targets: ["fog"]),
        .executable(name: "fog-sandbox", targets: ["fog-sandbox"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["JSON", "YAML"]),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Floor 1
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .systemLibrary(name: "CCgroup", pkgConfig: "libcgroup", providers: [.apt(["libcgroup-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CFog", cSettings: cStrict),
        .target(name: "FogCore", dependencies: ["CSodium"], swiftSettings: strict),
        // Floor 2
        .target(name: "FogJobs", dependencies: ["FogCore"], swiftSettings: strict),
        .target(name: "FogPlacement", dependencies: ["FogCore"], swiftSettings: strict),
        .target(name: "FogLedger", dependencies: ["FogCore"], swiftSettings: strict),
        .target(name: "FogNet", dependencies: ["FogCore"], swiftSettings: strict),
        .target(name: "FogSandboxPlan", swiftSettings: strict),
        .target(
            name: "FogSandbox",
            dependencies: ["FogCore", "FogSandboxPlan", "CFog", "CSeccomp", "CCgroup", "CZlib"],
            swiftSettings: strict),
        // Floor 3
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "CFogSQLite", dependencies: ["CSQLite"], cSettings: cStrict),
        .target(
            name: "FogStore",
            dependencies: [
                "FogCore", "FogJobs", "FogPlacement", "FogLedger", "CFogSQLite",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .target(
            name: "FogAPI",
            dependencies: [
                "FogCore", "FogJobs", "FogLedger", "FogNet", nioCore, nioHTTP1, nioPosix, nioSSL,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ],
            swiftSettings: strict),
        .target(
            name: "FogMixnet", dependencies: ["FogCore", "FogNet", "CSodium", nioCore, nioPosix], swiftSettings: strict),
        .target(name: "FogManifestFile", dependencies: ["FogCore", "FogJobs", "Yams"], swiftSettings: strict),
        // Floor 4
        .target(
            name: "FogCommandLine",
            dependencies: ["FogCore", "FogJobs", "FogLedger", "FogNet", "FogAPI", "FogManifestFile"],
            swiftSettings: strict),
        .target(
            name: "FogCoordinator",
            dependencies: [
                "FogCore", "FogJobs", "FogPlacement", "FogLedger", "FogStore", logging, lifecycle,
            ],
            swiftSettings: strict),
        .target(
            name: "FogWorker",
            dependencies: ["FogCore", "FogJobs", "FogSandbox", "FogNet", "FogAPI", "CFog", logging, lifecycle],
            swiftSettings: strict),
        // Floor 5
        .target(
            name: "FogHTTP",
            dependencies: [
                "FogCore", "FogJobs", "FogPlacement", "FogLedger", "FogNet", "FogStore", "FogAPI", "FogCoordinator",
                logging, lifecycle, nioCore, nioHTTP1, nioSSL,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
            ],
            swiftSettings: strict),
        // Floor 6
        .executableTarget(
            name: "fog",
            dependencies: [
                "FogCore", "FogJobs", "FogPlacement", "FogLedger", "FogNet", "FogSandbox", "FogSandboxPlan", "FogStore",
                "FogAPI", "FogCoordinator", "FogWorker", "FogHTTP", "FogManifestFile", "FogMixnet", "FogCommandLine",
                "CFog",
                logging,
                lifecycle,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
            ],
            exclude: ["Documentation.docc"],
            swiftSettings: strict),
        .executableTarget(
            name: "fog-sandbox",
            dependencies: ["CFog", "FogSandboxPlan"],
            swiftSettings: strict,
            linkerSettings: [.unsafeFlags(["-static-executable"])]),
        // Tests
        .target(
            name: "FogTestSupport",
            dependencies: ["FogCore", "FogJobs", "FogPlacement", "FogLedger", "FogNet", "FogStore"],
            path: "Tests/FogTestSupport",
            swiftSettings: strict),
        test("FogJobsTests", ["FogCore", "FogJobs"]),
        test("FogPlacementTests", ["FogCore", "FogPlacement"], exclude: ["Vectors"]),
        test("FogLedgerTests", ["FogCore", "FogLedger"], exclude: ["Vectors"]),
        test("FogNetTests", ["FogCore", "FogNet", "FogTestSupport"]),
        test("FogSandboxTests", ["FogCore", "FogSandbox", "FogSandboxPlan", "CFog", "CZlib"]),
        test(
            "FogStoreTests",
            ["FogCore", "FogJobs", "FogPlacement", "FogLedger", "FogStore", "FogTestSupport", "CFogSQLite"]),
        test("FogManifestFileTests", ["FogCore", "FogJobs", "FogManifestFile"]),
        test("FogAPITests", ["FogCore", "FogNet", "FogAPI"], exclude: ["Vectors"]),
        test(
            "FogMixnetTests", ["FogCore", "FogNet", "FogMixnet", "FogTestSupport", nioCore, nioPosix],
            exclude: ["Vectors", "Corpora"]),
        test("FogWorkerTests", ["FogCore", "FogJobs", "FogManifestFile", "FogSandbox", "FogWorker", "CFog", logging]),
        test("EndToEndTests", ["FogCore", "FogNet", "FogAPI", "FogMixnet"]),
        test("FogCommandTests", ["FogCore", "FogJobs", "FogNet", "FogAPI", "FogCommandLine"]),
        test(
            "FogCoordinatorTests",
            [
                "FogCore", "FogJobs", "FogPlacement", "FogLedger", "FogStore", "FogCoordinator", "FogTestSupport",
                logging, lifecycle,
            ]),
        test(
            "FogHTTPTests",
            [
                "FogCore", "FogJobs", "FogLedger", "FogNet", "FogStore", "FogAPI", "FogCoordinator", "FogHTTP",
                "FogWorker", "FogTestSupport", logging, lifecycle, nioCore, nioEmbedded,
            ]),
    ]
)

func test(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}
