"""Which depths and weight scales train, and how large their gradients are, on every device of every host.

    python examples/many_hosts.py                                               one machine, all of its devices
    python examples/many_hosts.py --coordinator HOST0:1234 --hosts 4 --host 0   the same on each of four, with its own number
    srun python examples/many_hosts.py --cluster                                where JAX finds these by itself: Slurm, Open MPI,
                                                                                Kubernetes, Cloud TPU

Each process makes the same calls. The runs are split over all devices, each process gets all results, and the first one
writes them. Stopped with Ctrl-C or lost, the trainings that are finished are kept in the first process's cache folder.
"""

import argparse
import pathlib

import jax
import numpy as np
import optax

from course_utils import NetworkConfig, load_digits, sweep_gradient_norms, sweep_training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coordinator", help="address and free port of the first host")
    parser.add_argument("--hosts", type=int, default=1, help="how many processes take part")
    parser.add_argument("--host", type=int, default=0, help="this one's number, from 0")
    parser.add_argument("--cluster", action="store_true", help="let JAX find out the three above")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("many_hosts.npz"))
    arguments = parser.parse_args()
    if arguments.cluster:
        jax.distributed.initialize()
    elif arguments.coordinator:  # before anything else asks JAX for its devices
        jax.distributed.initialize(arguments.coordinator, arguments.hosts, arguments.host)

    digits, config = load_digits(), NetworkConfig(depth=1, activation="tanh")
    grid = {"depths": [2, 5, 10, 20, 40], "weight_scales": np.geomspace(0.5, 2, 9).tolist(), "seeds": range(arguments.seeds)}
    norms = sweep_gradient_norms(config, digits.inputs[:128], digits.labels[:128], **grid)
    plan = {"optimizer": optax.sgd(0.1), "steps": arguments.steps, "batch_size": 64}
    trained = sweep_training(config, digits, **plan, **grid)

    if jax.process_index() == 0:
        np.savez(arguments.out, log10_norms=norms.weight_gradient, loss=trained.loss, accuracy=trained.accuracy)
        share = (np.median(trained.final_accuracy, axis=-1) > 0.5).mean()
        print(f"{jax.device_count()} devices of {jax.process_count()} processes: {share:.0%} of the map learns. {arguments.out}")


if __name__ == "__main__":
    main()
