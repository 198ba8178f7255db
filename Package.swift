// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT

import PackageDescription

// The trait `Lab` swaps the implementation behind the seam headers (folio/seam.h, rcu.h, wait.h,
// lock.h). A define of a target does not reach a header that another target imports, so it is set
// three times: for C, for the Clang importer of Swift, and for Swift itself.
let cSettings: [CSetting] = [
  .enableWarning("all"),
  .enableWarning("extra"),
  .disableWarning("unused-parameter"),
  .treatAllWarnings(as: .error),
  .define("FOLIO_LAB", .when(traits: ["Lab"])),
]

let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  // Lifetime dependencies of views on their RCU scope (`@_lifetime`); clients need nothing.
  .enableExperimentalFeature("Lifetimes"),
  // Fibers suspend inside accesses that Swift records per OS thread.
  .unsafeFlags(
    ["-Xcc", "-DFOLIO_LAB", "-enforce-exclusivity=unchecked"], .when(traits: ["Lab"])),
  .define("LAB", .when(traits: ["Lab"])),
]

// Fibers suspend inside accesses that Swift records per OS thread.
let labSettings = swiftSettings + [.unsafeFlags(["-enforce-exclusivity=unchecked"])]

let package = Package(
  name: "folio",
  products: [
    .library(name: "FolioCore", targets: ["FolioCore"]),
    .executable(name: "folio-bench", targets: ["folio-bench"]),
    // Scenarios of one's own and witnesses replayed, with the trait Lab.
    .library(name: "FolioLab", targets: ["FolioLab", "FolioWorkloads"]),
    // One shared object for C programs: CFolio and what Swift exports with @c.
    .library(name: "folio", type: .dynamic, targets: ["FolioCore"]),
  ],
  traits: [
    .trait(
      name: "Lab", description: "Route every shared access through the schedule explorer's hooks.")
  ],
  dependencies: [
    // Tools only; no library target depends on them.
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
  ],
  targets: [
    .systemLibrary(name: "CURCU", pkgConfig: "liburcu-bp", providers: [.apt(["liburcu-dev"])]),
    .target(name: "CFolio", dependencies: ["CURCU"], cSettings: cSettings),
    .target(name: "FolioCore", dependencies: ["CFolio"], swiftSettings: swiftSettings),
    .target(
      name: "FolioWorkloads", dependencies: ["CFolio", "FolioCore"], swiftSettings: swiftSettings),
    // The schedule explorer's engine. Never instrumented: it tells the sanitizers of its fibers.
    // Vectors of what was just written by halves stall, and it is a leaf to whoever unwinds.
    .target(
      name: "CLab", dependencies: ["CFolio"],
      sources: ["clab.c", "src/switch_x86_64.S", "src/switch_aarch64.S"],
      cSettings: cSettings + [
        .define("CLAB"),
        .unsafeFlags(["-fno-sanitize=all", "-fno-slp-vectorize", "-fomit-frame-pointer"]),
      ]),
    // Scenarios are FolioWorkloads'; FolioLab runs them.
    .target(
      name: "FolioLab", dependencies: ["CFolio", "CLab", "FolioCore", "FolioWorkloads"],
      swiftSettings: labSettings),
    // How the command-line tools speak, report and end.
    .target(
      name: "FolioTools",
      dependencies: [.product(name: "ArgumentParser", package: "swift-argument-parser")],
      swiftSettings: swiftSettings),
    .executableTarget(
      name: "folio-lab",
      dependencies: [
        "FolioCore", "FolioLab", "FolioTools", "FolioWorkloads",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: labSettings),
    // Weak references to libFuzzer and AFL++, which Tools/fuzz.sh links.
    .target(
      name: "CFuzz", cSettings: cSettings + [.unsafeFlags(["-fno-sanitize=all"])]),
    // Inputs of fuzzers as executions of the lab.
    .target(
      name: "FolioFuzz",
      dependencies: ["CFolio", "CFuzz", "CLab", "FolioCore", "FolioLab", "FolioWorkloads"],
      swiftSettings: labSettings),
    .executableTarget(
      name: "folio-fuzz",
      dependencies: [
        "CFuzz", "FolioCore", "FolioFuzz", "FolioLab", "FolioTools", "FolioWorkloads",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: labSettings),
    // The lab's scenarios for sanitizers; few dependencies, because it is built for each of them.
    .executableTarget(
      name: "folio-watch", dependencies: ["FolioCore", "FolioLab", "FolioWorkloads"],
      swiftSettings: labSettings),
    // What the operations are measured against, in C and C++. Not part of any product.
    .target(
      name: "BenchmarkPeers", dependencies: ["CFolio", "CURCU"], path: "Benchmarks/Peers",
      cSettings: cSettings,
      cxxSettings: [
        .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
      ]),
    .target(
      name: "FolioBenchmark",
      dependencies: [
        "BenchmarkPeers", "CFolio", "FolioCore", "FolioTools",
        .product(name: "Histogram", package: "hdrhistogram-swift"),
      ],
      swiftSettings: swiftSettings),
    .executableTarget(
      name: "folio-bench",
      dependencies: [
        "FolioBenchmark", "FolioCore", "FolioTools", "FolioWorkloads",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swiftSettings),
    .target(
      name: "TestSupport", dependencies: ["CFolio", "FolioCore"], path: "Tests/TestSupport",
      swiftSettings: swiftSettings),
    .testTarget(
      name: "CFolioTests", dependencies: ["CFolio", "FolioCore", "FolioWorkloads", "TestSupport"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "FolioCoreTests",
      dependencies: ["CFolio", "FolioCore", "FolioWorkloads", "TestSupport"],
      exclude: ["Golden"], swiftSettings: swiftSettings),
    .testTarget(
      name: "LitmusTests", dependencies: ["CFolio", "FolioCore", "TestSupport"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "Regressions", dependencies: ["CFolio", "FolioCore", "TestSupport"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "FolioWorkloadsTests",
      dependencies: ["CFolio", "FolioCore", "FolioWorkloads", "TestSupport"],
      swiftSettings: swiftSettings),
    // Counts classes without reduction, to hold the lab's counts against; shares no code with it.
    .target(
      name: "Enumerator", dependencies: ["CFolio"], path: "Tests/Enumerator",
      sources: ["enumerator.c"],
      cSettings: cSettings + [.define("CLAB")]),
    .target(
      name: "ClassOracle", dependencies: ["CFolio", "Enumerator", "FolioCore", "FolioWorkloads"],
      path: "Tests/ClassOracle", swiftSettings: labSettings),
    .executableTarget(
      name: "enumerate-classes",
      dependencies: [
        "ClassOracle", "FolioCore", "FolioLab", "FolioWorkloads",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Tests/EnumerateClasses", swiftSettings: labSettings),
    .testTarget(
      name: "FolioLabTests",
      dependencies: [
        "CFolio", "CLab", "ClassOracle", "FolioCore", "FolioFuzz", "FolioLab", "FolioWorkloads",
        "TestSupport",
      ],
      exclude: ["Counts", "Golden"], swiftSettings: labSettings),
    .testTarget(
      name: "FolioBenchmarkTests", dependencies: ["FolioBenchmark", "FolioTools", "TestSupport"],
      swiftSettings: swiftSettings),
  ],
  cLanguageStandard: .gnu11,
  cxxLanguageStandard: .gnucxx17
)
